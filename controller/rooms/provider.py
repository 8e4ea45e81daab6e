"""How a provider is asked: within its limits, again where that may help, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil, inf
from typing import Final, TypeVar

from aiolimiter import AsyncLimiter

from controller.core.errors import RoomsUnavailable

PAUSES_SECONDS: Final = (0.3, 1.0)
"""Before the second try and the third."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""A provider that wants to be left alone for longer is not asked again; the caller is told how long."""

PATIENCE_SECONDS: Final = 20.0
"""For all tries of one request, the wait for its turn included."""

T = TypeVar("T")


class ProviderError(Exception):
    """A provider did not do what was asked; the sentence says why and what to do.

    Attributes:
        is_passing: whether the same request may succeed in a moment.
        retry_after: in how many seconds, where the provider has said so.
    """

    def __init__(self, sentence: str, *, is_passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing
        self.retry_after = retry_after


async def ask(request: Callable[[], Awaitable[T]], pace: AsyncLimiter, provider: str) -> T:
    """Do a request that may be repeated, at the provider's pace.

    Raises:
        RoomsUnavailable: it failed for good, or as often as it was tried.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            pauses = iter(PAUSES_SECONDS)
            while True:
                try:
                    async with pace:
                        return await request()
                except ProviderError as error:
                    wait = max(next(pauses, inf), error.retry_after or 0.0)
                    if not error.is_passing or wait > LONGEST_PAUSE_SECONDS:
                        raise _unavailable(error) from error
                await asyncio.sleep(wait)
    except TimeoutError as error:
        raise RoomsUnavailable(
            f"{provider} did not do what was asked within {PATIENCE_SECONDS:g} seconds. Try again."
        ) from error


def _unavailable(error: ProviderError) -> RoomsUnavailable:
    unavailable = RoomsUnavailable(str(error))
    if error.retry_after is not None:
        unavailable.retry_after = ceil(error.retry_after)
    return unavailable
