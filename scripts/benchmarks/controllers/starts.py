"""How many sessions a second a controller starts, with a bot so small that only the controller counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from scripts.benchmarks.calls.programs import answers
from scripts.benchmarks.controllers.sleeping import NAME, make_sleeping_agent
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import A_SECOND, Comparison, Figure, Table, table_of
from testing.builds.checkouts import OURS as OUR_CHECKOUT
from testing.builds.checkouts import Checkout
from testing.processes import Program, free_port

SLEEP: Final = ("/bin/sleep", "600")
STARTS: Final = 100
SMALL_STARTS: Final = 4
AT_ONCE: Final = (1, 16)
OURS: Final = "Podline"
SPAWNED: Final = "only spawned"

Start = Callable[[], Awaitable[object]]


def name_of(at_once: int) -> str:
    return f"starts, {at_once} at one time"


def table(results: Results) -> Table:
    ratio = (Comparison(OURS, SPAWNED, is_ratio=True),)
    return table_of(results, [Figure(name_of(at_once), A_SECOND, ratio) for at_once in AT_ONCE])


async def measure(run: BenchRun) -> None:
    """Start sessions, and spawn as many processes, in turn."""
    starts = SMALL_STARTS if run.is_small else STARTS
    for number in run.rounds():
        run.progress.at(number, run.count, "round")
        for at_once in AT_ONCE:
            run.sample(
                number, name_of(at_once), OURS, await rate_of_controller(run.directory, at_once, starts)
            )
            run.sample(number, name_of(at_once), SPAWNED, await rate_of_spawning(at_once, starts))


async def rate_of_controller(
    directory: Path, at_once: int, starts: int, checkout: Checkout = OUR_CHECKOUT
) -> float:
    async with serving(directory / f"{time.monotonic_ns()}", starts, checkout) as start:
        return await rate(start, at_once, starts)


@asynccontextmanager
async def serving(directory: Path, capacity: int, checkout: Checkout = OUR_CHECKOUT) -> AsyncIterator[Start]:
    """Serve a controller with the sleeping agent, and give what starts one session."""
    make_sleeping_agent(directory / "agents")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Program.start(
        "controller",
        [str(checkout.python), "-m", "controller", "serve"],
        directory,
        {
            "PYTHONPATH": str(checkout.tree),
            "PODLINE_AGENTS": str(directory / "agents"),
            "PODLINE_PORT": str(port),
            "PODLINE_CAPACITY": str(capacity),
            "PODLINE_SESSIONS_PER_USER": str(capacity),
            "PODLINE_GRACE_SECONDS": "3",
        },
    )
    try:
        await asyncio.to_thread(program.wait_until, lambda: answers(f"{url}/readyz"))
        async with aiohttp.ClientSession(url) as http:

            async def start() -> None:
                wanted: dict[str, Any] = {"user_id": "bench", "agent": NAME}
                async with http.post("/v1/sessions", json=wanted) as answer:
                    assert answer.status == 201, await answer.text()  # noqa: S101 - no figure of refusals

            yield start
    finally:
        await asyncio.to_thread(program.stop)


async def rate_of_spawning(at_once: int, starts: int) -> float:
    spawned: list[asyncio.subprocess.Process] = []

    async def spawn() -> None:
        spawned.append(await asyncio.create_subprocess_exec(*SLEEP, start_new_session=True))

    try:
        return await rate(spawn, at_once, starts)
    finally:
        for process in spawned:
            process.kill()
            await process.wait()


async def rate(start: Start, at_once: int, starts: int) -> float:
    """Return the starts per second, with so many under way at any time."""
    left = iter(range(starts))

    async def work() -> None:
        for _ in left:
            await start()

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return starts / (time.monotonic() - began)
