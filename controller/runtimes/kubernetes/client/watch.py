"""Keeps us told of one kind of object: list in pages, watch, and list again after any break."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, TypeVar

import aiohttp
import msgspec

from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.backoff import Backoff
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused, ApiUnreachable, readable
from controller.runtimes.kubernetes.client.objects import Meta, Page, Status, WatchEvent, launch_of

log = logging.getLogger("podline.runtimes.kubernetes")

PAGE_ITEMS: Final = 500
"""Measured: 11 ms of decoding a page, and no more memory at the peak than afterwards."""

WATCH_SECONDS: Final = 45.0
"""How long the API server keeps one watch open before it lets us ask anew."""

READ_MARGIN_SECONDS: Final = 10.0
"""How much longer nothing may come before the connection counts as dead: a half-open one is silent."""

RELIST_SECONDS: Final = 600.0
"""How often everything is listed although no break was noticed."""

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_GONE: Final = 410


class Named(Protocol):
    @property
    def metadata(self) -> Meta: ...


T = TypeVar("T", bound=Named)


class Watcher(Generic[T]):
    """Follows all objects of one kind that match a selector.

    Attributes:
        not_ready_reason: why what we know may be out of date, None while it is not.
        is_listed: whether everything has been told of once.
        relists: how often everything was listed.
    """

    def __init__(  # noqa: PLR0913 - what it is put together from
        self,
        api: Api,
        path: str,
        kind: type[T],
        *,
        selector: str,
        seen: Callable[[T], None],
        gone: Callable[[str, str, T | None], None],
        synced: Callable[[], None],
        rng: random.Random,
        watch_seconds: float = WATCH_SECONDS,
        relist_seconds: float = RELIST_SECONDS,
    ) -> None:
        """Prepare; nothing is asked.

        Args:
            api: where to ask.
            path: of the collection.
            kind: what to decode each object as.
            selector: for labels.
            seen: told of each object as it is, at each list and change.
            gone: told launch and name of each that is no more, with its last state where that is known.
            synced: told when a list is complete.
            rng: spreads pauses, so that not all controllers of a cluster come back at one moment.
            watch_seconds: see WATCH_SECONDS.
            relist_seconds: see RELIST_SECONDS.
        """
        self.not_ready_reason: str | None = "Nothing has been listed yet."
        self.is_listed = False
        self.relists = 0
        self._api = api
        self._path = path
        self._decode = msgspec.json.Decoder(kind).decode
        self._selector = selector
        self._seen = seen
        self._gone = gone
        self._synced = synced
        self._rng = rng
        self._watch_seconds = watch_seconds
        self._relist_seconds = relist_seconds
        self._launches: dict[str, str] = {}
        self._heard_at: float | None = None

    def age(self) -> float | None:
        """Seconds since the API server last gave a sign of life; None before `run`. Ask within its loop."""
        return None if self._heard_at is None else asyncio.get_running_loop().time() - self._heard_at

    def _hear(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """List and watch for as long as this is awaited. Any failure is followed by a pause and a list."""
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, self._rng)
        self._hear()
        while True:
            try:
                async with asyncio.timeout(self._relist_seconds):
                    version = await self._list()
                    await self._watch(version, backoff)
            except TimeoutError:
                continue
            except ApiError as error:
                if isinstance(error, ApiRefused) and error.status == _GONE:
                    log.info("watch expired", extra={"path": self._path})
                else:
                    self.not_ready_reason = str(error)
                    log.warning("watch lost", extra={"path": self._path, "error": str(error)})
                await asyncio.sleep(backoff.next(error.retry_after))

    async def _list(self) -> str:
        """Tell of all objects there are, then of those that are no more. Returns the list's version."""
        launches: dict[str, str] = {}
        version, rest = await self._list_page(None, launches)
        while rest is not None:
            version, rest = await self._list_page(rest, launches)
        former, self._launches = self._launches, launches
        for name, launch_id in former.items():
            if launches.get(name) != launch_id:
                self._gone(launch_id, name, None)
        self.relists += 1
        self.is_listed = True
        self._synced()
        return version

    async def _list_page(self, continued: str | None, launches: dict[str, str]) -> tuple[str, str | None]:
        """Tell of the objects of one page. Returns its version, and where the next one goes on.

        Nothing of its bytes is kept while the next one is asked for.
        """
        query: dict[str, Any] = {"labelSelector": self._selector, "limit": PAGE_ITEMS}
        if continued is not None:
            query["continue"] = continued
        page = await self._api.read("GET", self._path, Page, query=query)
        self._hear()
        for raw in page.items:
            item = self._decoded(raw)
            launches[item.metadata.name] = launch_of(item.metadata)
            self._seen(item)
        return page.metadata.resource_version, page.metadata.continue_ or None

    async def _watch(self, version: str, backoff: Backoff) -> None:
        """Tell of each change. A watch that the server ends in time is resumed where it ended."""
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            async with aclosing(self._events(version)) as events:
                async for event in events:
                    version = self._take(event)
            if now() - began < self._watch_seconds / 2:
                raise ApiUnreachable("The API server ended a watch at once.", is_certain=True)
            backoff.reset()

    def _take(self, event: WatchEvent) -> str:
        """Tell of one change. Returns the version it has led to."""
        if event.type == "ERROR":
            raise _refused(event.object)
        item = self._decoded(event.object)
        name, launch_id = item.metadata.name, launch_of(item.metadata)
        if event.type == "DELETED":
            self._launches.pop(name, None)
            self._gone(launch_id, name, item)
        elif event.type != "BOOKMARK":
            self._launches[name] = launch_id
            self._seen(item)
        return item.metadata.resource_version

    async def _events(self, version: str) -> AsyncGenerator[WatchEvent, None]:
        query = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": max(1, round(self._watch_seconds)),
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5, sock_read=self._watch_seconds + READ_MARGIN_SECONDS
        )
        async with self._api.stream("GET", self._path, query=query, timeout=timeout) as answer:
            # A list alone is no news of what comes after it.
            self.not_ready_reason = None
            self._hear()
            rest = b""
            async for chunk in answer.content.iter_any():
                self._hear()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield _event(line)

    def _decoded(self, raw: msgspec.Raw) -> T:
        with readable():
            return self._decode(raw)


def _event(line: bytes) -> WatchEvent:
    with readable():
        return msgspec.json.decode(line, type=WatchEvent)


def _refused(raw: msgspec.Raw) -> ApiRefused:
    with readable():
        status = msgspec.json.decode(raw, type=Status)
    return ApiRefused(status.code, status.reason, status.message or "the watch ended with an error")
