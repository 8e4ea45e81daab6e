"""Processor time for programs that run beside calls: only what the calls leave.

Linux's idle policy does that between processes. Where the kernel first shares time between sessions
(sched(7), "The autogroup feature"), the policy has no effect. Processes in a control group are exempt from
that, so we enter one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_AUTOGROUPS: Final = Path("/proc/sys/kernel/sched_autogroup_enabled")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_UNIFIED_ROOT: Final = Path("/sys/fs/cgroup")
_CPU_ROOT: Final = _UNIFIED_ROOT / "cpu"


def giving_way(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command as one that, with all it starts, gets only the time that nobody else wants."""
    if shutil.which("chrt") is not None:
        return ("chrt", "--idle", "0", *command)
    return ("nice", "-n", "19", *command)


@contextmanager
def processes_weighed() -> Iterator[bool]:
    """Have the kernel weigh each of our processes by its own policy. False if it does not."""
    if shutil.which("chrt") is None:
        yield False
    elif not _shares_between_sessions():
        yield True
    else:
        with _own_group() as group:
            yield group is not None


def _shares_between_sessions() -> bool:
    """Whether autogroups are on and we are in no group that has processor time of its own."""
    if not _AUTOGROUPS.exists() or _AUTOGROUPS.read_text().strip() == "0":
        return False
    groups = [line.split(":", 2) for line in _OWN_GROUPS.read_text().splitlines()]
    for _, controllers, path in groups:
        if "cpu" in controllers.split(","):
            return path == "/"
    # Only the root has no type: https://docs.kernel.org/admin-guide/cgroup-v2.html
    return not (_UNIFIED_ROOT / "cgroup.type").exists()


@contextmanager
def _own_group() -> Iterator[Path | None]:
    """Be in a group of our own, as only root can; None if we can't."""
    number = str(os.getpid())
    group = _CPU_ROOT / f"podline-tests-{number}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(number)
    except OSError:
        with suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        with suppress(OSError):
            (_CPU_ROOT / "cgroup.procs").write_text(number)
            group.rmdir()
