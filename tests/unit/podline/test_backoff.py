"""Attempts that fail are repeated, ever more slowly and not for ever."""

import asyncio

from podline.backoff import Retries
from testing.fakes.controllers.clockwork import at_once


def now() -> float:
    return asyncio.get_running_loop().time()


@at_once
async def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    retries, pauses = Retries(1.0, 5.0), []
    for number in range(6):
        if number == 4:
            retries.reset()
        began = now()
        await retries.pause()
        pauses.append(round(now() - began))

    assert pauses == [1, 2, 4, 5, 1, 2]


@at_once
async def test_an_attempt_is_repeated_until_it_succeeds() -> None:
    outcomes = iter([False, False, True])

    async def attempt() -> bool:
        return next(outcomes)

    retries = Retries(1.0, 5.0)

    assert await retries.repeat(attempt, within=60.0)
    assert retries.failures == 2


@at_once
async def test_an_attempt_that_never_succeeds_is_given_up_when_its_time_is_over() -> None:
    async def attempt() -> bool:
        return False

    began = now()

    assert not await Retries(1.0, 5.0).repeat(attempt, within=60.0)
    assert round(now() - began) == 60
