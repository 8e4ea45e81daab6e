"""Requests to a room provider: within its rate limits, retried if that may help, and bounded in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from controller.core.errors import RoomsUnavailable
from controller.rooms.pace import RequestPace

PAUSES_SECONDS: Final = (0.3, 1.0)
"""Before the second attempt and the third."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""A provider that asks for a longer pause is not asked again; the caller receives its Retry-After."""

PATIENCE_SECONDS: Final = 20.0
"""For all attempts of one request, including the wait for its turn."""

T = TypeVar("T")

log = logging.getLogger("podline.rooms")


class ProviderError(Exception):
    """A request to a provider failed. The message says why and what to do.

    Attributes:
        is_passing: whether the same request may succeed in a moment.
        is_too_many: whether the provider gets too many requests.
        retry_after: the pause that the provider asks for, in seconds, if it does.
    """

    def __init__(
        self,
        sentence: str,
        *,
        is_passing: bool = False,
        is_too_many: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing
        self.is_too_many = is_too_many
        self.retry_after = retry_after


async def ask(request: Callable[[], Awaitable[T]], pace: RequestPace, provider: str) -> T:
    """Make a request that may be repeated, within the provider's rate limit.

    A 429 lowers that rate for a while.

    Raises:
        RoomsUnavailable: it failed for good, or at every attempt.
    """

    async def paced() -> T:
        async with pace:
            try:
                return await request()
            except ProviderError as error:
                if error.is_too_many:
                    pace.refused(error.retry_after)
                    extra = {"provider": provider, "per_second": round(pace.rate.per_second, 1)}
                    log.warning("room requests slowed down", extra=extra)
                raise

    retrying = AsyncRetrying(
        retry=retry_if_exception(_is_worth_another_try),
        wait=_pause,
        stop=stop_after_attempt(len(PAUSES_SECONDS) + 1),
        sleep=asyncio.sleep,
        reraise=True,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await retrying(paced)
    except ProviderError as error:
        raise _unavailable(error) from error
    except TimeoutError as error:
        raise RoomsUnavailable(
            f"{provider} did not complete a request within {PATIENCE_SECONDS:g} seconds. Try again."
        ) from error


def _is_worth_another_try(error: BaseException) -> bool:
    return (
        isinstance(error, ProviderError)
        and error.is_passing
        and (error.retry_after or 0.0) <= LONGEST_PAUSE_SECONDS
    )


def _pause(state: RetryCallState) -> float:
    """Return the usual pause, or the longer one that the provider asked for."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    usual = PAUSES_SECONDS[min(state.attempt_number, len(PAUSES_SECONDS)) - 1]
    return max(usual, asked or 0.0)


def _unavailable(error: ProviderError) -> RoomsUnavailable:
    unavailable = RoomsUnavailable(str(error))
    if error.retry_after is not None:
        unavailable.retry_after = ceil(error.retry_after)
    return unavailable
