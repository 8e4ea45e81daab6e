"""A real TURN server that takes passwords made from a shared secret, as coturn's `use-auth-secret` does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cluster.binaries import Part, ensure_program
from tests.local.processes import Program, free_port

SECRET: Final = "shared-with-the-turn-server"
PROGRAM: Final = "turn-server"
PART: Final = Part(
    Path(__file__).parent / "parts" / "turn",
    {PROGRAM: "github.com/pion/turn/v4/examples/turn-server/lt-cred-turn-rest"},
)


@contextmanager
def turn_server(directory: Path, secret: str = SECRET) -> Iterator[str]:
    """Relay on this machine; its URL."""
    port = free_port()
    command = [
        str(ensure_program(PART, PROGRAM, "half a minute")),
        *("-public-ip", "127.0.0.1", "-port", str(port), "-authSecret", secret),
    ]
    program = Program.start(PROGRAM, command, directory, {})
    try:
        yield f"turn:127.0.0.1:{port}"
    finally:
        program.stop()
