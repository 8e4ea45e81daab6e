"""How many requests may be held at one time until a bot answers them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from controller.errors import TooManyOffers


class Held:
    """Counts what is held: a few for each session, a bounded number in all."""

    def __init__(self, for_one: int, in_all: int) -> None:
        self._for_one = for_one
        self._in_all = in_all
        self._held: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self._held.total()

    @contextmanager
    def one(self, session_id: str) -> Iterator[None]:
        """Hold one request for a session.

        Raises:
            TooManyOffers: there is one too many.
        """
        if self._held[session_id] >= self._for_one or self._held.total() >= self._in_all:
            raise TooManyOffers
        self._held[session_id] += 1
        try:
            yield
        finally:
            self._held[session_id] -= 1
            self._held += Counter()  # keeps only what is above zero
