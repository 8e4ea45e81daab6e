"""A watch of one kind of object: list in pages, then watch for changes, and resume after any break."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from controller.core.primitives.backoff import RetryWait
from controller.runtimes.kubernetes.client.collection import Collection, WatchHealth
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused, ApiUnreachable, readable
from controller.runtimes.kubernetes.client.objects import Meta, Status, WatchEvent, launch_of

log = logging.getLogger("podline.runtimes.kubernetes")

WATCH_SECONDS: Final = 45.0
"""How long the API server keeps one watch open. Then it is resumed."""

MOST_REFUSALS: Final = 3
"""A watch that is refused this many times in a row is begun anew, from a list."""

RELIST_SECONDS: Final = 600.0
"""How often everything is listed even if no break was noticed. A watch that is open then ends first."""

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_GONE: Final = 410


class Named(Protocol):
    @property
    def metadata(self) -> Meta: ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """An object as it is now, from a list or a change."""

    object: T


@dataclass(frozen=True, slots=True)
class Gone(Generic[T]):
    """An object that no longer exists. Its last state is None if it vanished while nothing was watched."""

    launch_id: str
    name: str
    object: T | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list is complete: every object that exists has been seen, every other one reported gone."""


Change: TypeAlias = Seen[T] | Gone[T] | Listed


class Watch(Generic[T]):
    """A watch of one collection, which continues for as long as its changes are read."""

    def __init__(
        self,
        collection: Collection[T],
        rng: random.Random,
        *,
        watch_seconds: float = WATCH_SECONDS,
        relist_seconds: float = RELIST_SECONDS,
        longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        """Send nothing yet.

        Args:
            collection: what to watch.
            rng: spreads pauses, so that the controllers of a cluster don't all return at the same moment.
            watch_seconds: see WATCH_SECONDS.
            relist_seconds: see RELIST_SECONDS.
            longest_pause_seconds: between two attempts while the API server can't be reached.
        """
        self.health = WatchHealth()
        self._collection = collection
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, longest_pause_seconds, rng)
        self._failures = self._refusals = 0
        self._is_broken_off = False
        self._watch_seconds = watch_seconds
        self._relist_seconds = relist_seconds
        self._relist_at = 0.0
        self._version: str | None = None
        self._launches: dict[str, str] = {}

    async def changes(self) -> AsyncGenerator[Change[T], None]:
        """Yield every change, forever.

        After a failure and a pause the watch resumes where it broke, so that nothing is missed, and lists
        only if the API server no longer knows what happened since.
        """
        self.health.heard()
        while True:
            try:
                async with aclosing(self._changes_until_relist()) as changes:
                    async for change in changes:
                        yield change
            except ApiError as error:
                if self._is_broken_off:
                    self._is_broken_off = False
                    continue
                self._note(error)
                await asyncio.sleep(self._backoff.pause(self._failures, error.retry_after))

    def resume(self) -> None:
        """Open the watch anew where it stands: it may be half-open, and its silence mean nothing.

        `health` tells when it has caught up.
        """
        if self._collection.break_off():
            self._is_broken_off = True
            self.health.doubted()

    def _note(self, error: ApiError) -> None:
        self._failures += 1
        if isinstance(error, ApiRefused):
            self._refusals += 1
            if not error.may_pass or self._refusals >= MOST_REFUSALS:
                self._version = None
            if error.status == _GONE:
                log.info("watch expired", extra={"path": self._collection.path})
                return
        self.health.broke(str(error))
        log.warning("watch lost", extra={"path": self._collection.path, "error": str(error)})

    async def _changes_until_relist(self) -> AsyncGenerator[Change[T], None]:
        """List unless the last watch can be resumed, then watch."""
        if self._version is None:
            async with aclosing(self._list()) as listed:
                async for change in listed:
                    yield change
        async with aclosing(self._watch()) as changes:
            async for change in changes:
                yield change
        self._version = None

    async def _list(self) -> AsyncGenerator[Change[T], None]:
        relist_at = asyncio.get_running_loop().time() + self._relist_seconds
        launches: dict[str, str] = {}
        version, continued = "", None
        is_complete = False
        while not is_complete:
            page = await self._collection.page(continued)
            self.health.heard()
            for item in map(self._collection.decode, page.items):
                launches[item.metadata.name] = launch_of(item.metadata)
                yield Seen(item)
            version, continued = page.metadata.resource_version, page.metadata.continue_ or None
            is_complete = continued is None
            del page  # Its bytes aren't kept while the next one is requested.
        for vanished in self._replace_known(launches):
            yield vanished
        self._version, self._relist_at = version, relist_at
        self.health.listed()
        yield Listed()

    async def _watch(self) -> AsyncGenerator[Change[T], None]:
        """Watch until it is time to list. A watch that the API server ends in time is resumed."""
        now = asyncio.get_running_loop().time
        while now() < self._relist_at and self._version is not None:
            began = now()
            self._is_broken_off = False
            watching = self._collection.events(self._version, self._watch_seconds, self.health)
            async with aclosing(watching) as events:
                async for event in events:
                    self._version, change = self._read(event)
                    self._refusals = 0
                    if change is not None:
                        yield change
                    if now() >= self._relist_at:
                        return
            if now() - began < self._watch_seconds / 2:
                raise ApiUnreachable("The API server ended a watch at once.", is_certain=True)
            self._failures = self._refusals = 0

    def _replace_known(self, launches: dict[str, str]) -> list[Gone[T]]:
        """Remember the objects of a list. Return those that are gone since the last one."""
        former, self._launches = self._launches, launches
        return [
            Gone(launch_id, name, None)
            for name, launch_id in former.items()
            if launches.get(name) != launch_id
        ]

    def _read(self, event: WatchEvent) -> tuple[str, Change[T] | None]:
        """Return the version that an event leads to, and its change; a bookmark has none."""
        if event.type == "ERROR":
            raise _refused(event.object)
        item = self._collection.decode(event.object)
        name, launch_id = item.metadata.name, launch_of(item.metadata)
        change: Change[T] | None = None
        if event.type == "DELETED":
            self._launches.pop(name, None)
            change = Gone(launch_id, name, item)
        elif event.type != "BOOKMARK":
            self._launches[name] = launch_id
            change = Seen(item)
        return item.metadata.resource_version, change


def _refused(raw: msgspec.Raw) -> ApiRefused:
    with readable():
        status = msgspec.json.decode(raw, type=Status)
    return ApiRefused(status.code, status.reason, status.message or "the watch ended with an error")
