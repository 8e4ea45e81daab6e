"""The kernel's count of processes that it killed because memory ran out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def own_memory_events() -> Path | None:
    """Return the file in which the kernel counts for this process's control group; None without one.

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
    """Return how many processes of the group the kernel killed because memory ran out; 0 without a count."""
    if memory_events is None:
        return 0
    try:
        counts = dict(line.split() for line in memory_events.read_text(encoding="utf-8").splitlines())
        return int(counts["oom_kill"])
    except (OSError, KeyError, ValueError):
        return 0
