"""A real TURN server that takes passwords made from a shared secret, as coturn's `use-auth-secret` does.

Run as `python -m testing.servers.turn` it makes the program available and prints where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testing.builds.binaries import MODULES, GoModule, cache_directory, ensure_binaries, main
from testing.builds.go import GoUnavailableError
from testing.leaving_out import leave_out
from testing.processes import Program, free_port

SECRET: Final = "shared-with-the-turn-server"
PROGRAM: Final = "turn-server"
PACKAGE: Final = "github.com/pion/turn/v4/examples/turn-server/lt-cred-turn-rest"
PARTS: Final = (GoModule(MODULES / "turn", {PROGRAM: PACKAGE}),)
CACHE: Final = cache_directory().with_name("turn")


def program() -> Path:
    """Return the server's path. If there can't be one, skip the test, or fail it under CI."""
    try:
        return ensure_binaries(PARTS, CACHE)[PROGRAM]
    except GoUnavailableError as error:
        leave_out(str(error))


@contextmanager
def turn_server(directory: Path, secret: str = SECRET) -> Iterator[str]:
    """Relay on this machine; its URL."""
    port = free_port()
    command = [
        str(program()),
        *("-public-ip", "127.0.0.1", "-port", str(port), "-authSecret", secret),
    ]
    running = Program.start(PROGRAM, command, directory, {})
    try:
        yield f"turn:127.0.0.1:{port}"
    finally:
        running.stop()


if __name__ == "__main__":
    sys.exit(main(PARTS, CACHE))
