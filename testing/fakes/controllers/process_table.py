"""The kernel's view of processes (Linux), for tests that inspect them from outside."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 15.0
"""Only a hang takes this long."""


def exists(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected by its parent does not."""
    try:
        return _fields(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(parent: int) -> list[int]:
    """The living children of a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, of = _fields(int(entry.name))[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of) == parent and state != "Z":
            found.append(int(entry.name))
    return found


def workers_in(directory: Path) -> list[int]:
    """The processes whose environment names this directory, which is that of bots."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if f"={directory}/".encode() in environment and exists(int(entry.name)):
            found.append(int(entry.name))
    return found


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(bytes(1), b" ").decode()


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - nothing but the number is wanted


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def until(what: Callable[[], bool], within: float = PATIENCE_SECONDS) -> None:
    """Wait for something that other processes do, which sets no event here."""
    async with asyncio.timeout(within):
        while not what():  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.02)


def _fields(pid: int) -> list[str]:
    """What follows the name in /proc/PID/stat: state, parent, group and so on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
