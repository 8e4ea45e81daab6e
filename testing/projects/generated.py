"""Projects as `pipecat init` writes them, with the `.env` that their README asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WEB: Final = (
    *("--bot-type", "web", "--client-framework", "none"),
    *("--transport", "smallwebrtc", "--transport", "daily", "--transport", "livekit"),
)
_SECONDS: Final = 60
_INIT: Final = "import typer; from pipecat.cli.commands.init import init_command; typer.run(init_command)"
"""`pipecat init` without the command's other subcommands, which need packages that no bot of ours has."""


@dataclass(frozen=True)
class Kind:
    """A kind of project.

    Attributes:
        name: The project's name, which `pipecat init` makes its agent's.
        options: What `pipecat init` is told about the pipeline.
        variables: What its author writes into `.env`, beside keys and addresses.
        copied: The names of the sandbox's variables that belong there as well.
    """

    name: str
    options: tuple[str, ...]
    variables: Mapping[str, str]
    copied: tuple[str, ...]


REALTIME: Final = Kind(
    "realtime",
    ("--mode", "realtime", "--realtime", "gemini_live_realtime"),
    {"GOOGLE_MODEL": "models/gemini-3.8-live", "GOOGLE_VOICE_ID": "Puck"},
    ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "SSL_CERT_FILE"),
)
CASCADE: Final = Kind(
    "cascade",
    ("--mode", "cascade", "--stt", "openai_stt", "--llm", "openai_llm", "--tts", "openai_tts"),
    {"OPENAI_MODEL": "gpt-4.1", "OPENAI_VOICE_ID": "alloy"},
    ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
)


def generate(kind: Kind, agents: Path, sandbox: Mapping[str, str]) -> Path:
    """Have Pipecat write a project among the agents, fill in its `.env`, and return its `server` directory.

    Args:
        kind: What the bot consists of.
        agents: Where the project's directory is made.
        sandbox: The sandbox's variables.
    """
    server = initialize(kind, agents)
    variables = {**{name: sandbox[name] for name in kind.copied}, **kind.variables}
    (server / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return server


def initialize(kind: Kind, directory: Path) -> Path:
    """Have Pipecat write a project into the directory, and return the project's `server` directory."""
    command = [sys.executable, "-c", _INIT, kind.name, "--no-context-hub", "--name", kind.name]
    subprocess.run(  # noqa: S603 - the tests' own command
        [*command, *_WEB, *kind.options], cwd=directory, capture_output=True, timeout=_SECONDS, check=True
    )
    return directory / kind.name / "server"
