"""One session and its caller, and what can be done to them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from testing.processes import bots_of, eventually
from tests.local.endings.site import Site

Session = dict[str, Any]


class Scene:
    """A session of a user who is named after the row. The clock runs from `it_happens` on."""

    def __init__(self, site: Site, user_id: str) -> None:
        self.site = site
        self.user_id = user_id
        self.session_id = ""
        self.began = time.monotonic()
        self._room: RoomAddress

    async def start(self, **fields: Any) -> None:
        """Start the session; its user may have no other meanwhile."""
        body = {"user_id": self.user_id, **fields}
        answer = await self.site.controller.post("/v1/sessions", json=body)
        assert answer.status_code in (200, 201), answer.text
        session = answer.json()
        self.session_id = session["id"]
        self._room = RoomAddress(**session["room"])
        self.it_happens()

    @contextlib.asynccontextmanager
    async def call(self, **fields: Any) -> AsyncIterator[Caller]:
        """A session with its caller, greeted."""
        await self.start(**fields)
        async with self.joined() as caller:
            await caller.hears_bot()
            yield caller

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[Caller]:
        """A caller in the session that was started."""
        async with calling(self.site.url, self.site.voice, room=self._room) as (caller, _):
            yield caller

    @property
    def room(self) -> RoomAddress:
        return self._room

    def it_happens(self) -> None:
        """What should bring the end about happens now."""
        self.began = time.monotonic()

    async def read(self) -> Session:
        answer = await self.site.controller.get(f"/v1/sessions/{self.session_id}")
        session: Session = answer.raise_for_status().json()
        return session

    async def log(self) -> str:
        """The end of the bot's log."""
        answer = await self.site.controller.get(f"/v1/sessions/{self.session_id}/logs")
        return "the bot's log:\n" + "\n".join(answer.text.splitlines()[-60:])

    async def delete(self) -> tuple[int, Session]:
        answer = await self.site.controller.delete(f"/v1/sessions/{self.session_id}")
        return answer.status_code, answer.json()

    async def reaches(self, moment: str) -> None:
        """Wait for a moment of the timeline."""

        async def reached() -> bool | None:
            return (await self.read())["timeline"][moment] is not None or None

        await eventually(reached, moment)

    async def ended(self, within: float) -> Session:
        async def over() -> Session | None:
            session = await self.read()
            return session if session["phase"] in ("ended", "failed") else None

        return await eventually(over, "the session's end", within)

    async def bot(self) -> int:
        """The bot's process id."""

        async def found() -> int | None:
            return next(iter(bots_of(self.session_id)), None)

        return await eventually(found, "the bot's process")

    async def signal_bot(self, number: signal.Signals) -> None:
        os.kill(await self.bot(), number)

    async def is_gone(self) -> bool:
        """Whether there is no bot, and its user's slot is free: another session can be started."""
        if bots_of(self.session_id):
            return False
        body = {"user_id": self.user_id}
        next_one = await self.site.controller.post("/v1/sessions", json=body)
        if next_one.status_code != 201:
            return False
        self.session_id = next_one.json()["id"]
        await self.delete()
        await self.ended(within=10)
        return True


async def finds_products(caller: Caller) -> None:
    """Ask for something in writing, and have it found and shown: the proof that the call goes on."""
    caller.write("find running shoes")
    await caller.message(lambda message: message.is_server_message("products_found"))
    await caller.bot_says("I found")
