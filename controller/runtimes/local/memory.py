"""What the kernel tells of processes that it ended for want of memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def own_memory_events() -> Path | None:
    """Where the kernel counts for the control group of this process; None on a system that does not.

    Bots share the group. It is there on Linux with cgroup v2, in a container or a service, not in the root
    group of the machine: docs.kernel.org, cgroup-v2, memory.events.
    """
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                events = Path("/sys/fs/cgroup") / line.removeprefix("0::").lstrip("/") / "memory.events"
                return events if events.is_file() else None
    return None


def oom_kills(memory_events: Path | None) -> int:
    """How many processes of the group the kernel has killed for want of memory; 0 where nobody counts."""
    if memory_events is None:
        return 0
    try:
        counts = dict(line.split() for line in memory_events.read_text(encoding="utf-8").splitlines())
        return int(counts["oom_kill"])
    except (OSError, KeyError, ValueError):
        return 0
