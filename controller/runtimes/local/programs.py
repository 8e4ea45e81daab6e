"""What runs the bots of each agent on this machine: a program, where it starts, and its variables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import podline
from controller.core.agents import DEFAULT_AGENT, AgentHome, AgentVersion
from podline.contract import environment

# -P: the directory of a bot comes first on the path only once the runner has loaded.
_RUNNER: Final = ("-P", "-m", "podline.runner")
_BUILT_IN: Final = Path(__file__).parents[3] / "bot" / "bot.py"
"""The assistant's file. It is installed beside us."""
_BOT_FILE: Final = "bot.py"

_MACHINE: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
)
"""The machine's variables that any program needs, in either case. LC_*, PYTHON* and OTEL_* are added."""

_OF_THE_DEFAULT_AGENT: Final = (environment.GOOGLE_API_KEY, environment.CONVEX_URL, environment.CONVEX_TOKEN)
"""The shared variables that only the assistant needs: what another agent needs is in its own secret set."""

_PYTHON: Final = "PYTHON"


def bot_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that bots inherit: the machine's and the shared ones, none of our secrets."""
    return {
        name: value
        for name, value in variables.items()
        if value
        and (
            name.upper() in _MACHINE
            or name in environment.SHARED
            or name.startswith(("LC_", _PYTHON, environment.OTEL))
        )
        and name not in environment.OTEL_OF_ONE_SERVICE
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class BotProgram:
    """What runs one agent's bots.

    Attributes:
        command: the program and its arguments.
        directory: where it starts; None for a directory of the launch's own.
        defaults: variables that a launch may overrule.
        variables: variables that nothing overrules.
        can_preload: True if it is our runner, which can import what bots need and fork them.
    """

    command: tuple[str, ...]
    directory: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    can_preload: bool = False


class AgentPrograms:
    """Runs every bot in our runner: that of an agent's directory, or else the assistant."""

    def __init__(
        self,
        variables: Mapping[str, str],
        home_of: Callable[[AgentVersion], AgentHome | None],
        directory: Path,
    ) -> None:
        """Make no directory yet.

        Args:
            variables: that bots inherit.
            home_of: returns where an agent lives; None if it has no directory.
            directory: exists, and gets one in which other interpreters find our runner and nothing else.
        """
        self._variables = dict(variables)
        self._home_of = home_of
        self._runner_alone = directory / "runner"

    def program_of(self, agent: AgentVersion) -> BotProgram:
        home = self._home_of(agent)
        if home is None:
            return BotProgram(
                command=(sys.executable, *_RUNNER),
                defaults=self._variables,
                variables={environment.BOT_FILE: str(_BUILT_IN)},
                can_preload=True,
            )
        file = home.directory / (agent.definition.file or _BOT_FILE)
        python = agent.definition.python
        inherited = self._inherited(agent.name)
        variables = {environment.BOT_FILE: str(file)}
        if python is not None:
            # Ours leads to our packages, which are not the other interpreter's.
            inherited = {name: each for name, each in inherited.items() if not name.startswith(_PYTHON)}
            variables["PYTHONPATH"] = str(self._make_runner_alone())
        return BotProgram(
            command=(_interpreter(home.directory, python), *_RUNNER),
            directory=home.directory,
            defaults={**inherited, **home.secret_set},
            variables=variables,
            can_preload=True,
        )

    def _inherited(self, name: str) -> dict[str, str]:
        hidden = () if name == DEFAULT_AGENT else _OF_THE_DEFAULT_AGENT
        return {name: value for name, value in self._variables.items() if name not in hidden}

    def _make_runner_alone(self) -> Path:
        """Return a directory with our package `podline` and no other."""
        link = self._runner_alone / podline.__name__
        if not link.is_symlink():
            self._runner_alone.mkdir(mode=0o700, exist_ok=True)
            link.symlink_to(Path(podline.__path__[0]).absolute(), target_is_directory=True)
        return self._runner_alone


def _interpreter(directory: Path, python: str | None) -> str:
    """Return a program for `exec`. A path is not resolved: a virtual environment is found by its link."""
    if python is None:
        return sys.executable
    return str(directory / python) if "/" in python else python
