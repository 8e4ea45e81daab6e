"""Pipecat Cloud's own command line, run as a process against a controller."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testing.callers.programs import run_python

_PROGRAM: Final = (
    "from pipecatcloud.cli.entry_point import entrypoint_cli_typer as cloud; cloud(prog_name='pipecat cloud')"
)
"""What `pipecat cloud` is without Pipecat's other commands, whose packages exclude ours."""


@dataclass(frozen=True)
class CloudAnswer:
    """What the command line printed, and its exit code."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.text
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """All that it said, as one line."""
        return " ".join(f"{self.out} {self.errors}".split())


@dataclass(frozen=True)
class PipecatCloud:
    """`pipecat cloud`, with nothing but a host and a token."""

    host: str
    token: str
    directory: Path

    async def __call__(self, *arguments: str, output: str = "json") -> CloudAnswer:
        """Run one command."""
        command = ("-c", _PROGRAM, "--output", output, *arguments)
        return CloudAnswer(*await run_python(*command, directory=self.directory, variables=self.variables()))

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIPECAT_")}
        return {
            **kept,
            "HOME": str(self.directory),
            "COLUMNS": "200",
            "PIPECAT_API_HOST": self.host,
            "PIPECAT_TOKEN": self.token,
            "PIPECAT_CONFIG_PATH": str(self.directory / "none.toml"),
        }
