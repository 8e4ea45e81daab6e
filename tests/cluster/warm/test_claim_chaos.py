"""Calls come while everything that claims depend on fails at random: afterwards each has one bot.

PODLINE_CHAOS_SEED plays one run again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

import httpx
import pytest

from testing.cluster.faults import Delay, Kind, ProxyFault, Refuse, ResetAfter, ResetBefore
from testing.cluster.replicas import ReplicaProcess
from testing.cluster.warm.shop import AGENT, CALLERS_PATIENCE_SECONDS, WarmShop

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEED = 11
CALLS = 24
SECONDS = 12.0
"""In which the calls come."""

BY_HAND = {"vanished", "evicted"}
"""Why a session ends whose pod is deleted or evicted."""

FAULTS: Sequence[Kind] = (
    ResetBefore(),
    ResetAfter(),
    Delay(0.3),
    Refuse(500, "InternalError"),
    Refuse(429, "TooManyRequests", retry_after=1),
)


async def restart(shop: WarmShop, chance: random.Random) -> None:
    """Kill a controller, or ask it to leave, and start it again."""
    struck = chance.choice(shop.replicas.both)
    if struck.process.runs:
        await struck.process.end(chance.choice([signal.SIGKILL, signal.SIGTERM]))
    await struck.process.start()


async def pause(shop: WarmShop, chance: random.Random) -> None:
    """Pause a controller for longer than it may lead without the API server."""
    struck = chance.choice(shop.replicas.both).process
    struck.send_signal(signal.SIGSTOP)
    await asyncio.sleep(chance.choice([0.3, 5.0]))
    struck.send_signal(signal.SIGCONT)


async def cut(shop: WarmShop, chance: random.Random) -> None:
    """Break connections to the API server, or leave its watches silent."""
    chance.choice([shop.replicas.proxy.break_connections, shop.replicas.proxy.silence_watches])()


async def delete_some(shop: WarmShop, chance: random.Random) -> None:
    """Delete or evict a pod, or delete a Job, of bots that wait; some are claimed meanwhile."""
    path, evicts = chance.choice([(shop.crew.pods, True), (shop.crew.pods, False), (shop.crew.jobs, False)])
    found = (await shop.plane.api("GET", f"{path}?labelSelector=podline.dev/pool=waiting"))["items"]
    for name in [each["metadata"]["name"] for each in chance.sample(found, min(2, len(found)))]:
        try:
            if evicts:
                await shop.evict(name)
            else:
                await shop.plane.api("DELETE", f"{path}/{name}?propagationPolicy=Background")
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == 404  # it has gone by itself  # noqa: PT017


STROKES: Sequence[Callable[[WarmShop, random.Random], Awaitable[None]]] = (
    restart,
    pause,
    cut,
    delete_some,
    delete_some,
)


async def disturb(shop: WarmShop, chance: random.Random) -> None:
    for each in chance.sample(STROKES, len(STROKES)):
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        await each(shop, chance)


async def call(shop: WarmShop, session_id: str, after_seconds: float) -> None:
    """Ask for a session at either controller until it is accepted, at times twice at once."""
    await asyncio.sleep(after_seconds)
    async with asyncio.timeout(CALLERS_PATIENCE_SECONDS):
        for at in cycle(shop.replicas.both):
            answers = await asyncio.gather(*(ask(at, session_id) for _ in range(2)))
            if any(each in (200, 201) for each in answers):
                return
            assert set(answers) <= {0, 502, 503}
            await asyncio.sleep(0.2)


async def ask(at: ReplicaProcess, session_id: str) -> int:
    try:
        return (await at.post(session_id, agent=AGENT)).status_code
    except httpx.TransportError:
        return 0


@contextmanager
def logs_shown(shop: WarmShop) -> Iterator[None]:
    """Show what both controllers have logged last if this fails."""
    try:
        yield
    except BaseException:
        for each in shop.replicas.both:
            print(each.process.log.read_text(encoding="utf-8")[-20_000:])  # noqa: T201 - where it fails
        raise


async def test_after_any_disturbance_each_call_has_one_bot_and_no_bot_two_calls(shop: WarmShop) -> None:
    seed = int(os.environ.get("PODLINE_CHAOS_SEED", "0")) or SEED
    print(f"PODLINE_CHAOS_SEED={seed}")  # noqa: T201 - shown where the test fails
    chance = random.Random(seed)  # noqa: S311 - likewise
    with logs_shown(shop):
        await play(shop, chance)


async def play(shop: WarmShop, chance: random.Random) -> None:
    await shop.led_by(shop.replicas.cuttable)
    shop.crew.change_controllers(*(each.process.url_for_bots for each in shop.replicas.both))
    shop.replicas.proxy.faults += [ProxyFault(kind, probability=0.04) for kind in FAULTS]
    calls = [f"chaos-{number}" for number in range(CALLS)]
    await asyncio.gather(
        disturb(shop, chance), *(call(shop, each, chance.uniform(0, SECONDS)) for each in calls)
    )
    shop.replicas.proxy.faults.clear()
    for each in shop.replicas.both:
        # A former leader may be about to exit.
        if each.process.runs:
            await each.process.end()
    follower = await shop.led_by(shop.replicas.cuttable)

    ended = {each: reason for each in calls if (reason := await shop.end_of(follower, each)) is not None}
    running = [each for each in calls if each not in ended]
    assert set(ended.values()) <= BY_HAND, ended
    assert all(not shop.crew.serving(each) for each in ended)
    await shop.only_one_serves(follower, *running, had_late_claim=True)
    await shop.end(follower, *running)
