"""The rate of requests to a room provider."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.lowering import HOLD_SECONDS, STEP_SECONDS, STEPS
from controller.rooms.pace import RequestPace, Turns
from controller.rooms.provider import ProviderError, ask
from testing.fakes.controllers.clockwork import at_once

BURST, SECONDS = 20, 1.25


class Hours:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.sampled_from([1.0, 0.5, 0.125]))
def test_no_window_has_more_requests_than_a_burst_and_the_rate(waits: list[float], share: float) -> None:
    turns, rate = Turns(BURST, SECONDS), BURST / SECONDS * share
    begun, now = [], 0.0
    for wait in waits:
        now += wait
        begun.append(now + turns.take(now, rate))
    assert begun == sorted(begun)
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            allowed = SECONDS * rate + (begun[last] - begun[first]) * rate
            assert last - first <= allowed + 1e-6


@given(st.lists(st.floats(0, 3), max_size=50), st.integers(1, 40))
def test_the_wait_that_is_announced_is_the_wait_that_comes(waits: list[float], more: int) -> None:
    turns, rate, now = Turns(BURST, SECONDS), BURST / SECONDS, 0.0
    for wait in waits:
        now += wait
        turns.take(now, rate)
    announced = turns.wait_seconds(more, now, rate)
    assert [turns.take(now, rate) for _ in range(more)][-1] == pytest.approx(announced)


def test_a_429_slows_requests_down_and_the_rate_recovers() -> None:
    clock = Hours()
    pace = RequestPace(BURST, SECONDS, clock)
    assert pace.rate.per_second == 16
    for _ in range(10):
        pace.refused(None)
    assert pace.rate.per_second == 12
    for clock.now in (20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0):
        pace.refused(None)
    assert pace.rate.per_second == 2
    assert pace.wait_seconds(60) > 25
    clock.now += HOLD_SECONDS + STEPS * STEP_SECONDS
    assert (pace.rate.per_second, pace.rate.full_per_second) == (16, 16)


@at_once
async def test_a_request_that_is_refused_as_one_too_many_slows_the_next_ones() -> None:
    pace = RequestPace(BURST, SECONDS)
    answers = iter([ProviderError("too many", is_passing=True, is_too_many=True, retry_after=2), None])

    async def request() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "made"

    assert await ask(request, pace, "Daily") == "made"
    assert pace.rate.per_second == 12


@at_once
async def test_requests_begin_in_order_and_at_the_rate() -> None:
    pace = RequestPace(BURST, SECONDS)
    loop = asyncio.get_running_loop()
    began = loop.time()
    begun: list[tuple[int, float]] = []

    async def request(number: int) -> None:
        async with pace:
            begun.append((number, loop.time() - began))

    await asyncio.gather(*(request(number) for number in range(60)))
    assert [number for number, _ in begun] == list(range(60))
    assert begun[BURST - 1][1] < 0.5
    assert begun[-1][1] == pytest.approx((60 - BURST) / 16, abs=0.5)
