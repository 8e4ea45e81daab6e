"""Pauses double up to a longest one, are spread, and respect what a server asks for within reason."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import AsyncRetrying

from controller.core.primitives.backoff import LONGEST_ASKED_SECONDS, RetryWait


class RefusedError(Exception):
    def __init__(self, retry_after: float | None) -> None:
        self.retry_after = retry_after


def backoff(first_seconds: float, longest_seconds: float, seed: int = 1) -> RetryWait:
    rng = random.Random(seed)  # noqa: S311 - the same each time
    return RetryWait(first_seconds, longest_seconds, rng)


@given(failures=st.integers(1, 10**6), seed=st.integers())
def test_a_pause_is_at_least_half_of_the_doubled_one_and_never_above_the_longest(
    failures: int, seed: int
) -> None:
    whole = min(0.25 * 2 ** min(failures - 1, 10), 5.0)

    pause = backoff(0.25, 5.0, seed).pause(failures)

    assert whole / 2 <= pause <= whole


def test_pauses_after_the_same_failure_differ() -> None:
    spread = backoff(1.0, 8.0)

    assert len({spread.pause(3) for _ in range(10)}) == 10


@pytest.mark.parametrize(("asked", "granted"), [(12.0, 12.0), (3600.0, LONGEST_ASKED_SECONDS)])
async def test_the_pause_that_a_refusal_asks_for_is_granted_up_to_the_longest(
    asked: float, granted: float
) -> None:
    pauses: list[float] = []
    refusals = iter([RefusedError(asked)])

    async def request() -> str:
        if (refusal := next(refusals, None)) is not None:
            raise refusal
        return "taken"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await AsyncRetrying(wait=backoff(0.25, 5.0), sleep=sleep)(request) == "taken"
    assert pauses == [granted]
