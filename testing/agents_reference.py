"""The keys of agents' definitions, and what is said of broken ones, as a document.

Run as `python -m testing.agents_reference`, writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from controller.agents.definitions import MOST_BYTES, InvalidDefinition, read_definition
from controller.agents.key_types import DefinitionKey
from controller.agents.keys import DEPLOY_KEYS, PODLINE_KEYS
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE
from podline.contract.nesting import MOST_LEVELS

PATH: Final = Path(__file__).parent.parent / "docs" / "reference" / "agent-definitions.md"

_BEGINS: Final = f"""\
# Definitions of agents

<!-- Made by scripts/generate from controller/agents and testing/agents_reference.py. -->

[Writing a bot](../writing-a-bot.md) says what an agent is and where its files belong. All keys and both
files are optional. Podline refuses a key that is not listed here. A file may have at most {MOST_BYTES} bytes
and {MOST_LEVELS} levels of nesting.
"""

_BROKEN_BEGINS: Final = """\
## Definitions that can't be used

`GET /v1/agents` and the log report these problems. They never repeat what was written, because it may be a
secret in the wrong place.

| File | Content | Problem |
|---|---|---|"""

BROKEN: Final = (
    (DEPLOY_FILE, "agent_name = "),
    (DEPLOY_FILE, 'agent_name = "The Shop"'),
    (DEPLOY_FILE, 'agent_name = "start-shop"'),
    (DEPLOY_FILE, 'image = "registry.example.com/shop"'),
    (DEPLOY_FILE, "image = true"),
    (DEPLOY_FILE, 'secret_set = "../other"'),
    (DEPLOY_FILE, 'agent_profile = "agent-9x"'),
    (DEPLOY_FILE, 'agent_profile = "agent-1x"\nresources = {cpu = "1", memory = "1Gi"}'),
    (DEPLOY_FILE, 'resources = {cpu = "1"}'),
    (DEPLOY_FILE, 'resources = {cpu = "1", memory = "4"}'),
    (DEPLOY_FILE, 'resources = {cpu = "500", memory = "1Gi"}'),
    (DEPLOY_FILE, "scaling = {min_agents = -1}"),
    (DEPLOY_FILE, "scaling = {min_agents = 3, max_agents = 2}"),
    (DEPLOY_FILE, "scaling = 3"),
    (DEPLOY_FILE, "max_agents = 3"),
    (DEPLOY_FILE, "max_session_duration = 30"),
    (DEPLOY_FILE, 'architecture = "x86"'),
    (DEPLOY_FILE, "enable_krisp = true"),
    (DEPLOY_FILE, 'krisp_viva = {audio_filter = "loud"}'),
    (DEPLOY_FILE, "idle_seconds = 20"),
    (PODLINE_FILE, 'file = "../bot.py"'),
    (PODLINE_FILE, 'python = ""'),
    (PODLINE_FILE, 'rooms = ["zoom"]'),
    (PODLINE_FILE, "rooms = []"),
    (PODLINE_FILE, 'buffer = "some"'),
    (PODLINE_FILE, 'preload = "no"'),
    (PODLINE_FILE, 'idle_seconds = "20"'),
    (PODLINE_FILE, "no_caller_seconds = inf"),
    (PODLINE_FILE, "mute_seconds = 1"),
    (PODLINE_FILE, 'goodbye = "Bye."'),
    (PODLINE_FILE, 'goodbye = {request = "Say goodbye.", sentence = "Goodbye."}'),
    (PODLINE_FILE, 'activity = "some"'),
    (PODLINE_FILE, "job = {since = 2026-01-01}"),
    (PODLINE_FILE, 'panel = "../cards"'),
    (PODLINE_FILE, "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6"),
)
"""A file and what is in it."""


def problem_of(file: str, content: str) -> str:
    """Return what is said of a definition that consists of this file."""
    try:
        read_definition("shop", {file: content.encode()})
    except InvalidDefinition as error:
        return str(error)
    raise AssertionError(f"{content} can be used")


def generated() -> str:
    rows = [
        f"| `{file}` | {_code(content)} | {_cell(problem_of(file, content))} |" for file, content in BROKEN
    ]
    return "\n".join(
        [
            _BEGINS,
            *_table(f"`{DEPLOY_FILE}`: Pipecat Cloud's, unchanged", DEPLOY_KEYS),
            *_table(f"`{PODLINE_FILE}`: what Pipecat Cloud doesn't have", PODLINE_KEYS),
            _BROKEN_BEGINS,
            *rows,
            "",
        ]
    )


def _table(title: str, keys: Sequence[DefinitionKey]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| Key | Write | Meaning |"
    yield "|---|---|---|"
    for key in keys:
        meaning = key.meaning if key.note is None else f"{key.meaning} No effect. {key.note}"
        yield f"| `{key.name}` | {_cell(key.expects)} | {_marked(_cell(meaning))} |"
    yield ""


def _code(content: str) -> str:
    return "<br>".join(f"`{line}`" for line in content.splitlines())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _marked(text: str) -> str:
    """Return the text with names of variables as code."""
    return re.sub(r"(?<!`)\b[A-Z]+_[A-Z_]+\b", r"`\g<0>`", text)


if __name__ == "__main__":
    PATH.write_text(generated(), encoding="utf-8")
