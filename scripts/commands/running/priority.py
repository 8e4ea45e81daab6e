"""Processor time for programs that run beside calls: only what the calls leave.

As root we use a control group that is idle as a whole, whatever its processes do. Otherwise we use Linux's
idle policy, which a kernel with autogroups ignores between sessions (sched(7), "The autogroup feature").
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_AUTOGROUPS: Final = Path("/proc/sys/kernel/sched_autogroup_enabled")
_GROUPS: Final = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
"""Where groups with processor time are: in the first version of control groups, and in the second."""
_ENTER: Final = 'echo $$ > "$0" && exec "$@"'


@dataclass(frozen=True)
class IdleTime:
    """How a program gets only the time that nobody else wants.

    Attributes:
        group: the control group for such programs, if we could make one.
        is_certain: whether such programs really give way to all others.
    """

    group: Path | None
    is_certain: bool

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """Return the command as one that gives way, with all that it starts."""
        if self.group is not None:
            return ("sh", "-c", _ENTER, str(self.group / "cgroup.procs"), *command)
        if shutil.which("chrt") is not None:
            return ("chrt", "--idle", "0", *command)
        return ("nice", "-n", "19", *command)


@contextmanager
def idle_time() -> Iterator[IdleTime]:
    """Find out how programs can give way; the group is removed at the end, when all of them have ended."""
    group = next(filter(None, map(_make_group, _GROUPS)), None)
    try:
        is_certain = group is not None or (shutil.which("chrt") is not None and not _has_autogroups())
        yield IdleTime(group, is_certain)
    finally:
        if group is not None:
            with suppress(OSError):
                group.rmdir()


def _make_group(parent: Path) -> Path | None:
    group = parent / f"podline-beside-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        # Opening it must not create it: the parent may be no group of processor time.
        with (group / "cpu.idle").open("r+") as idle:
            idle.write("1")
    except OSError:
        with suppress(OSError):
            group.rmdir()
        return None
    return group


def _has_autogroups() -> bool:
    return _AUTOGROUPS.exists() and _AUTOGROUPS.read_text().strip() != "0"
