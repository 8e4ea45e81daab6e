"""A watch of one kind of object: list in pages, watch for changes, and list again after any break."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import aiohttp
import msgspec

from controller.core.primitives.backoff import RetryWait
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused, ApiUnreachable, readable
from controller.runtimes.kubernetes.client.objects import Meta, Page, Status, WatchEvent, launch_of

log = logging.getLogger("podline.runtimes.kubernetes")

PAGE_ITEMS: Final = 500
"""Measured: a page takes 11 ms to decode, and peak memory is no higher than what is kept."""

WATCH_SECONDS: Final = 45.0
"""How long the API server keeps one watch open. Then it is resumed."""

READ_MARGIN_SECONDS: Final = 10.0
"""How much longer the connection may be silent before it counts as dead: a half-open one is silent."""

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


class WatchHealth:
    """How far a watch can be relied on.

    Attributes:
        not_ready_reason: why its changes may be out of date; None while they are current.
        is_listed: whether a list has been completed.
        relists: how often everything was listed.
    """

    def __init__(self) -> None:
        self.not_ready_reason: str | None = "Nothing has been listed yet."
        self.is_listed = False
        self.relists = 0
        self._heard_at: float | None = None

    def age(self) -> float | None:
        """Return the seconds since the API server last sent anything; None before the watch began.

        Call this within the watch's event loop.
        """
        return None if self._heard_at is None else asyncio.get_running_loop().time() - self._heard_at

    def heard(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()

    def listed(self) -> None:
        self.relists += 1
        self.is_listed = True

    def opened(self) -> None:
        """A watch is open. A list alone says nothing about what changes after it."""
        self.not_ready_reason = None
        self.heard()

    def broke(self, reason: str) -> None:
        self.not_ready_reason = reason


class Collection(Generic[T]):
    """All objects of one kind that match a selector."""

    def __init__(self, api: Api, path: str, kind: type[T], labels: str = "", *, fields: str = "") -> None:
        """Select by `labels`, by `fields`, or by both."""
        self.path = path
        self._api = api
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        self._selected = {name: selector for name, selector in selectors.items() if selector}
        self._decode = msgspec.json.Decoder(kind).decode

    async def page(self, continued: str | None) -> Page:
        """Return the first page of the list, or the one that `continued` leads to."""
        query: dict[str, Any] = {**self._selected, "limit": PAGE_ITEMS}
        if continued is not None:
            query["continue"] = continued
        return await self._api.read("GET", self.path, Page, query=query)

    async def events(
        self, version: str, watch_seconds: float, health: WatchHealth
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield the events of one watch that starts after `version`."""
        query = {
            **self._selected,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": max(1, round(watch_seconds)),
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5, sock_read=watch_seconds + READ_MARGIN_SECONDS
        )
        async with self._api.stream("GET", self.path, query=query, timeout=timeout) as answer:
            health.opened()
            rest = b""
            async for chunk in answer.content.iter_any():
                health.heard()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield _event(line)

    def decode(self, raw: msgspec.Raw) -> T:
        with readable():
            return self._decode(raw)


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
        self._failures = 0
        self._watch_seconds = watch_seconds
        self._relist_seconds = relist_seconds
        self._launches: dict[str, str] = {}

    async def changes(self) -> AsyncGenerator[Change[T], None]:
        """Yield every change, forever. Any failure leads to a pause and then to a list."""
        self.health.heard()
        while True:
            try:
                async with aclosing(self._changes_until_relist()) as changes:
                    async for change in changes:
                        yield change
            except ApiError as error:
                if isinstance(error, ApiRefused) and error.status == _GONE:
                    log.info("watch expired", extra={"path": self._collection.path})
                else:
                    self.health.broke(str(error))
                    log.warning("watch lost", extra={"path": self._collection.path, "error": str(error)})
                self._failures += 1
                await asyncio.sleep(self._backoff.pause(self._failures, error.retry_after))

    async def _changes_until_relist(self) -> AsyncGenerator[Change[T], None]:
        """List, then watch. A watch that the API server ends in time is resumed where it ended."""
        now = asyncio.get_running_loop().time
        relist_at = now() + self._relist_seconds
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
        self.health.listed()
        yield Listed()
        while now() < relist_at:
            began = now()
            async with aclosing(self._collection.events(version, self._watch_seconds, self.health)) as events:
                async for event in events:
                    version, change = self._read(event)
                    if change is not None:
                        yield change
                    if now() >= relist_at:
                        return
            if now() - began < self._watch_seconds / 2:
                raise ApiUnreachable("The API server ended a watch at once.", is_certain=True)
            self._failures = 0

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


def _event(line: bytes) -> WatchEvent:
    with readable():
        return msgspec.json.decode(line, type=WatchEvent)


def _refused(raw: msgspec.Raw) -> ApiRefused:
    with readable():
        status = msgspec.json.decode(raw, type=Status)
    return ApiRefused(status.code, status.reason, status.message or "the watch ended with an error")
