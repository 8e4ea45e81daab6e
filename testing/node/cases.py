"""Cases that are played at the same time, since they mostly wait; each test then looks at its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Outcomes(Generic[Result]):
    """What has come of each case, by its name."""

    def __init__(self, outcomes: Mapping[str, Result | BaseException]) -> None:
        self._outcomes = outcomes

    def result(self, name: str) -> Result:
        """Return a case's result, or raise what kept it from having one."""
        outcome = self._outcomes[name]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def play_all(cases: Mapping[str, Awaitable[Result]]) -> Outcomes[Result]:
    """Play all cases to their ends. One that fails keeps none of the others from going on."""
    outcomes = await asyncio.gather(*cases.values(), return_exceptions=True)
    return Outcomes(dict(zip(cases, outcomes, strict=True)))
