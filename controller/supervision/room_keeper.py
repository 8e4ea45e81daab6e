"""Closing of rooms: each when its session ends, and those left behind in regular sweeps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from controller.core.errors import RoomsUnavailable
from controller.core.rooms import Rooms
from controller.core.session import Session
from controller.supervision.registry import SessionRegistry

log = logging.getLogger("podline.rooms")

SWEEP_SECONDS: Final = 60.0
"""Between two sweeps."""

_LAST_CLOSINGS_SECONDS: Final = 5.0
"""How long a controller that shuts down waits for rooms to be closed. The next one sweeps the rest."""


class RoomKeeper:
    """Owns the closing of rooms. Await `run` for as long as sessions are served."""

    def __init__(
        self,
        rooms: Rooms,
        registry: SessionRegistry,
        not_ready_reason: Callable[[], str | None],
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        """`not_ready_reason` returns why not all sessions may be known; no room is swept then."""
        self._rooms = rooms
        self._registry = registry
        self._not_ready_reason = not_ready_reason
        self._sweep_seconds = sweep_seconds
        self._tasks: asyncio.TaskGroup | None = None
        self._closings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while True:
                    await asyncio.sleep(self._sweep_seconds)
                    if self._not_ready_reason() is None:
                        await self._sweep()
        finally:
            self._tasks = None
            await self._rooms.aclose()

    def close(self, session: Session) -> None:
        """Start to close a session's room. Returns at once."""
        if self._tasks is not None:
            closing = self._tasks.create_task(self._close(session))
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)

    async def finish(self) -> None:
        """Wait for closings in progress, up to a limit."""
        if self._closings:
            await asyncio.wait(self._closings, timeout=_LAST_CLOSINGS_SECONDS)

    async def _close(self, session: Session) -> None:
        try:
            await self._rooms.close(session)
        except RoomsUnavailable as error:
            log.warning(
                "room not closed, it will be swept up",
                extra={"session_id": session.id, "problem": error.detail},
            )

    async def _sweep(self) -> None:
        sessions = [record.session for record in self._registry.running()]
        # A room is named after the launch that it was made for, which is not that of a warm bot.
        live = {each.launch_id for each in sessions} | {each.room_name for each in sessions if each.room_name}
        try:
            swept = await self._rooms.sweep(live)
        except RoomsUnavailable as error:
            log.warning("rooms not swept", extra={"problem": error.detail})
        else:
            if swept:
                log.info("rooms swept up", extra={"rooms": swept})
