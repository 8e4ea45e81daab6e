"""What a watch has seen, kept for whoever reads it later: a standby that takes over lists nothing again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Generic, TypeVar

from controller.core.primitives.flag import Flag
from controller.runtimes.kubernetes.client.collection import WatchHealth
from controller.runtimes.kubernetes.client.objects import launch_of
from controller.runtimes.kubernetes.client.watch import Change, Gone, Listed, Named, Seen, Watch

T = TypeVar("T", bound=Named)

KEEP_GONE_SECONDS: Final = 60.0
"""Several times as long as it takes to replace a leader."""

_AT_ONE_TIME: Final = 50
"""How many kept objects are read before other tasks get a turn."""


class WatchCache(Generic[T]):
    """Follows a watch while `run` is awaited. Its one reader begins with everything that exists.

    Of each object its last state is kept, in the order of these, and only until they are read. What is gone
    is kept for a while too: whoever takes over learns from it how a bot ended while nobody led.
    """

    def __init__(self, watch: Watch[T], keeps_gone: Callable[[T], bool] = lambda _: True) -> None:
        """Take a watch, and which objects are worth keeping once they are gone, by their last state."""
        self._watch = watch
        self._keeps_gone = keeps_gone
        self._objects: dict[tuple[str, str], T] = {}
        self._gone: deque[tuple[float, Gone[T]]] = deque()
        self._is_read = False
        self._unread: deque[Change[T]] = deque()
        self._arrived = Flag()

    @property
    def health(self) -> WatchHealth:
        return self._watch.health

    async def run(self) -> None:
        """Follow the watch for as long as this is awaited."""
        async with aclosing(self._watch.changes()) as changes:
            async for change in changes:
                if self._is_read:
                    self._unread.append(change)
                    self._arrived.wake()
                else:
                    self._keep(change)

    async def changes(self) -> AsyncGenerator[Change[T], None]:
        """Yield all that is kept, then every change, forever.

        A watch that is open is resumed first, and catches up: what it has kept is out of date if it has been
        half-open.
        """
        self._watch.resume()
        await self.health.caught_up()
        self._is_read = True
        kept, self._objects = self._objects, {}
        # A session's former launch would hide the one that took its name.
        replaced = {name for _, name in kept}
        if self.health.is_listed:
            self._unread.appendleft(Listed())
        self._unread.extendleft(Seen(each) for each in reversed(kept.values()))
        kept.clear()
        for _, gone in reversed(self._gone):
            if gone.name in replaced:
                continue
            self._unread.appendleft(gone)
            if gone.object is not None:
                self._unread.appendleft(Seen(gone.object))
        self._gone.clear()
        number = 0
        while True:
            while self._unread:
                yield self._unread.popleft()
                number += 1
                if number % _AT_ONE_TIME == 0:
                    await asyncio.sleep(0)
            await self._arrived.wait()

    def _keep(self, change: Change[T]) -> None:
        match change:
            case Seen(object=item):
                key = launch_of(item.metadata), item.metadata.name
                self._objects.pop(key, None)
                self._objects[key] = item
            case Gone(launch_id=launch_id, name=name, object=item):
                last = self._objects.pop((launch_id, name), None)
                last = item or last
                if last is None or self._keeps_gone(last):
                    self._bury(Gone(launch_id, name, last))
            case Listed():
                pass

    def _bury(self, gone: Gone[T]) -> None:
        now = asyncio.get_running_loop().time()
        self._gone.append((now, gone))
        while now - self._gone[0][0] > KEEP_GONE_SECONDS:
            self._gone.popleft()
