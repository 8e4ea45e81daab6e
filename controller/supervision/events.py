"""Fan-out of changes to subscribers: whole states, only the latest of each session, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from controller.core.primitives.event_ids import EventIds

T = TypeVar("T")


@dataclass(slots=True)
class _Subscriber:
    """The changed keys of one reader: never more than there are keys, however slow the reader."""

    wants: Callable[[str], bool]
    pending: dict[str, None] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Feed(Generic[T]):
    """The current state of many items, numbered by change.

    Each event is a state, not a difference. So a reader that falls behind or comes back needs only the latest
    state of each item that changed meanwhile, and no history is kept.
    """

    def __init__(self) -> None:
        self._event_ids = EventIds()
        self._items: dict[str, tuple[int, T]] = {}
        self._subscribers: list[_Subscriber] = []
        self._closed = False

    def put(self, key: str, item: T) -> None:
        """Record a change and notify its subscribers."""
        self._items[key] = (self._event_ids.take(), item)
        for subscriber in self._subscribers:
            if subscriber.wants(key):
                # To the end, so that events stay in the order of their numbers.
                subscriber.pending.pop(key, None)
                subscriber.pending[key] = None
        self._wake(key)

    def drop(self, key: str) -> None:
        """Forget an item. Its last change was its end, so a stream of this item alone ends."""
        self._items.pop(key, None)
        self._wake(key)

    def close(self) -> None:
        """End each stream once it has yielded its pending changes."""
        self._closed = True
        self._wake(None)

    async def follow(self, key: str | None, last_event_id: str | None) -> AsyncGenerator[tuple[str, T]]:
        """Yield (event id, state): the current states, or those changed since `last_event_id`; then changes.

        Args:
            key: the one item to follow; None follows all.
            last_event_id: the last id that the reader saw. An unknown one starts with everything.
        """
        with self._subscribed(lambda each: key in (None, each)) as subscriber:
            seen = self._event_ids.number_of(last_event_id)
            subscriber.pending.update(dict.fromkeys(self._changed_since(seen, subscriber.wants)))
            while True:
                while subscriber.pending:
                    changed = next(iter(subscriber.pending))
                    del subscriber.pending[changed]
                    if changed in self._items:
                        number, item = self._items[changed]
                        yield self._event_ids.id_of(number), item
                if self._closed or (key is not None and key not in self._items):
                    return
                subscriber.news.clear()
                await subscriber.news.wait()

    def _wake(self, key: str | None) -> None:
        for subscriber in self._subscribers:
            if key is None or subscriber.wants(key):
                subscriber.news.set()

    def _changed_since(self, seen: int, wants: Callable[[str], bool]) -> Iterable[str]:
        by_number = sorted((number, key) for key, (number, _) in self._items.items() if wants(key))
        return (key for number, key in by_number if number > seen)

    @contextmanager
    def _subscribed(self, wants: Callable[[str], bool]) -> Iterator[_Subscriber]:
        subscriber = _Subscriber(wants)
        self._subscribers.append(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.remove(subscriber)
