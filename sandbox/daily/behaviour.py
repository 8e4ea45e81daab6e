"""The ways in which Daily can be ordered to misbehave."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sandbox.misbehaviour import Misbehaviour, Orders


class _OfDaily(Misbehaviour, frozen=True, kw_only=True):
    """Applies to requests with paths below `/v1` that begin with `path`; by default to all."""

    path: str = ""

    def applies_to(self, path: str) -> bool:
        return path.startswith(self.path)


class DailyStatus(_OfDaily, frozen=True, kw_only=True, tag="status"):
    """The request is not served, but answered with a status."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]


class DailySlow(_OfDaily, frozen=True, kw_only=True, tag="slow"):
    """The request is served this many seconds later."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)]


class DailyMalformed(_OfDaily, frozen=True, tag="malformed"):
    """The request is served, and answered with half of a JSON object."""


class DailyRateLimit(_OfDaily, frozen=True, tag="rate_limit"):
    """The request is refused as one too many."""


DailyMisbehaviour = DailyStatus | DailySlow | DailyMalformed | DailyRateLimit
DailyOrders = Orders[DailyMisbehaviour]


def no_orders() -> DailyOrders:
    """A list of orders for Daily, without any."""
    return Orders(DailyMisbehaviour)
