"""Answers to a caller's offers, independent of what makes the connection."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class UnusableOffer(Exception):  # noqa: N818 - named for what happened
    """The offer or the candidates can't be used; the text says why."""


class OfferTaker(Protocol):
    """Answers offers and adds candidates."""

    async def answer(self, offer: dict[str, Any], withdrawn: asyncio.Event | None = None) -> dict[str, Any]:
        """Answer an offer, which has no effect once it is withdrawn.

        Raises:
            UnusableOffer: It is malformed or withdrawn, or another caller is in the call.
        """

    async def add_candidates(self, patch: dict[str, Any]) -> None:
        """Add a caller's ICE candidates.

        Raises:
            UnusableOffer: They are malformed or for another connection.
        """
