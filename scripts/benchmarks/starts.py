"""How many sessions a second the controller starts, with a bot so small that only the controller counts."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.programs import system
from testing.fakes.controllers.served import serve_controller

BOT: Final = ("/bin/sleep", "600")
STARTS: Final = 100
AT_ONCE: Final = (1, 16)
ROUNDS: Final = 5


async def measure(directory: Path) -> str:
    """The table of rates, beside processes that are only spawned."""
    lines = [f"Starts per second, medians of {ROUNDS} rounds of {STARTS}; {system()}", ""]
    for at_once in AT_ONCE:
        ours, raw = [], []
        for _ in range(ROUNDS):
            ours.append(await rate_of_controller(directory, at_once))
            raw.append(await rate_of_spawning(at_once))
        ratio = statistics.median(own / bare for own, bare in zip(ours, raw, strict=True))
        lines.append(
            f"{at_once:2} at once: controller {statistics.median(ours):.0f}/s, "
            f"only spawned {statistics.median(raw):.0f}/s, ratio {ratio:.2f}"
        )
    return "\n".join(lines)


async def rate_of_controller(directory: Path, at_once: int) -> float:
    settings: dict[str, Any] = {"capacity": STARTS, "sessions_per_user": STARTS}
    async with serve_controller(directory, command=BOT, **settings) as controller:
        return await rate(controller.start, at_once)


async def rate_of_spawning(at_once: int) -> float:
    spawned: list[asyncio.subprocess.Process] = []

    async def spawn() -> None:
        spawned.append(await asyncio.create_subprocess_exec(*BOT, start_new_session=True))

    try:
        return await rate(spawn, at_once)
    finally:
        for process in spawned:
            process.kill()
            await process.wait()


async def rate(start: Callable[[], Awaitable[object]], at_once: int) -> float:
    """Starts per second, with so many under way at any time."""
    left = iter(range(STARTS))

    async def work() -> None:
        for _ in left:
            await start()

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return STARTS / (time.monotonic() - began)
