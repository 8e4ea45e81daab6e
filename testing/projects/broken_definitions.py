"""Definitions of agents that can't be used: files and what their author reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller.agents.definitions import InvalidDefinition, read_definition
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE


@dataclass(frozen=True)
class BrokenDefinition:
    """A definition with one fault.

    Attributes:
        situation: The row's first cell.
        file: Which of the two files is wrong.
        text: What it says.
    """

    situation: str
    file: str
    text: str

    @property
    def message(self) -> str:
        """What is reported of it.

        Raises:
            AssertionError: Nothing is.
        """
        try:
            read_definition("shelf", {self.file: self.text.encode()})
        except InvalidDefinition as problem:
            return str(problem)
        raise AssertionError(f"A definition that {self.situation} is taken.")


BROKEN_DEFINITIONS: Final = [
    BrokenDefinition("is not valid TOML", DEPLOY_FILE, "agent_name = shelf\n"),
    BrokenDefinition("misspells a key", DEPLOY_FILE, 'agent_nane = "shelf"\n'),
    BrokenDefinition("has one of our keys in Pipecat Cloud's file", DEPLOY_FILE, "idle_seconds = 60\n"),
    BrokenDefinition("has a name that clients can't use", DEPLOY_FILE, 'agent_name = "starter"\n'),
    BrokenDefinition(
        "allows sessions longer than four hours", DEPLOY_FILE, "max_session_duration = 100000\n"
    ),
    BrokenDefinition(
        "keeps more warm bots than it may have sessions",
        DEPLOY_FILE,
        "[scaling]\nmin_agents = 5\nmax_agents = 2\n",
    ),
    BrokenDefinition("writes memory as words", DEPLOY_FILE, '[resources]\nmemory = "a lot"\n'),
    BrokenDefinition(
        "gives a profile and resources",
        DEPLOY_FILE,
        'agent_profile = "agent-1x"\n[resources]\ncpu = "1"\nmemory = "1Gi"\n',
    ),
    BrokenDefinition("has a file outside its directory", PODLINE_FILE, 'file = "../bot.py"\n'),
    BrokenDefinition("supports a room that does not exist", PODLINE_FILE, 'rooms = ["zoom"]\n'),
    BrokenDefinition("writes seconds as text", PODLINE_FILE, 'idle_seconds = "5 minutes"\n'),
    BrokenDefinition("has two goodbyes", PODLINE_FILE, 'goodbye = { request = "Bye?", sentence = "Bye." }\n'),
]
