"""A limit on requests that are held until bots answer them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from controller.web.errors import TooManyOffers


class OfferLimit:
    """Counts held requests for each session separately, so that no session uses up another's limit.

    The only total limit is that on sessions. One that few sessions could exhaust would let them keep all
    others out.
    """

    def __init__(self, candidates_for_one: int) -> None:
        """`candidates_for_one` is how many requests with candidates are held for one session."""
        self._candidates_for_one = candidates_for_one
        self._offers: Counter[str] = Counter()
        self._candidates: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self._offers.total() + self._candidates.total()

    @contextmanager
    def offer(self, session_id: str) -> Iterator[None]:
        """Hold an offer. There is no limit: the next offer replaces it (`Inbox.offer`)."""
        with _counted(self._offers, session_id):
            yield

    @contextmanager
    def candidates(self, session_id: str) -> Iterator[None]:
        """Hold candidates.

        Raises:
            TooManyOffers: too many of them are held already.
        """
        if self._candidates.get(session_id, 0) >= self._candidates_for_one:
            raise TooManyOffers
        with _counted(self._candidates, session_id):
            yield


@contextmanager
def _counted(held: Counter[str], session_id: str) -> Iterator[None]:
    held[session_id] += 1
    try:
        yield
    finally:
        held[session_id] -= 1
        if not held[session_id]:
            del held[session_id]
