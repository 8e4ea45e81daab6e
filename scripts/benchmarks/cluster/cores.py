"""Pinning to cores: the API server and its store on one, their clients on another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def apart(others: Sequence[int]) -> Iterator[None]:
    """Let these processes have one core, and this process with all it starts meanwhile another.

    Nobody is faster then because somebody else asks for less of the same core, as in a cluster, whose API
    server has a machine of its own.
    """
    cores = sorted(os.sched_getaffinity(0))
    try:
        _put(others, {cores[0]})
        _put([os.getpid()], {cores[-1]})
        yield
    finally:
        _put([*others, os.getpid()], set(cores))


def _put(processes: Sequence[int], cores: set[int]) -> None:
    for process in processes:
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)
