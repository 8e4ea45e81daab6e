"""Observations reach their one reader in order, and the work behind them ends with the reading."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from controller.core.runtime import Observation
from controller.runtimes.observation_queue import ObservationQueue

FIRST, SECOND, THIRD = (Observation(launch_id=each) for each in ("first", "second", "third"))


async def test_all_is_yielded_in_order_before_the_work_s_own_failure_is_raised() -> None:
    queue: ObservationQueue[Observation] = ObservationQueue()
    read: list[Observation] = []

    async def work() -> None:
        queue.put(SECOND)
        await asyncio.sleep(0)
        queue.put(THIRD)
        raise ConnectionError("lost")

    async def read_all() -> None:
        async for observation in queue.read_during(work()):
            read.append(observation)  # noqa: PERF401 - what was read before the failure counts

    queue.put(FIRST)
    with pytest.raises(ConnectionError, match="lost"):
        await read_all()

    assert read == [FIRST, SECOND, THIRD]


async def test_it_is_empty_only_once_the_reader_has_taken_in_the_last_one() -> None:
    queue: ObservationQueue[Observation] = ObservationQueue()
    taken_in: list[Observation] = []
    at_that_moment: list[list[Observation]] = []

    async def work() -> None:
        queue.put(FIRST)
        queue.put(SECOND)
        await queue.emptied()
        at_that_moment.append(list(taken_in))

    async for observation in queue.read_during(work()):
        await asyncio.sleep(0)
        taken_in.append(observation)

    assert at_that_moment == [[FIRST, SECOND]]


async def test_closing_the_reader_cancels_the_work_and_waits_for_it() -> None:
    queue: ObservationQueue[Observation] = ObservationQueue()
    has_ended = False

    async def work() -> None:
        nonlocal has_ended
        queue.put(FIRST)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            has_ended = True

    async with aclosing(queue.read_during(work())) as observations:
        assert await anext(observations) == FIRST

    assert has_ended
