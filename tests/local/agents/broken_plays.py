"""Calls of bots that are broken, a few at a time, and what is on record of each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from podline.contract import environment
from sandbox.caller import calling
from sandbox.caller_signalling import CallFailedError, RoomAddress
from sandbox.voice import Voice
from testing.processes import bots_of, ended_session, eventually, variable_of
from testing.projects.broken_bot import BrokenBot

_AT_ONCE: Final = 5
"""More of them would be late on two cores, and end for that reason."""
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Played:
    """How a broken bot's call went.

    Attributes:
        bot: Which.
        session: Its record, after the end.
        log: What it logged.
        processes: Those that outlived it.
        secret: The session's own, which its bot has; None if the caller never reached the bot.
    """

    bot: BrokenBot
    session: dict[str, Any]
    log: str
    processes: list[int]
    secret: str | None

    @property
    def seconds(self) -> float:
        """How long the session lasted, in all."""
        timeline = self.session["timeline"]
        began, ended = (datetime.fromisoformat(timeline[moment]) for moment in ("accepted", "ended"))
        return (ended - began).total_seconds()

    def check(self) -> None:
        """Check that the record says what the bot's author should read."""
        assert (self.session["reason"], self.session["message"]) == (self.bot.reason, self.bot.message)
        assert self.session["phase"] == self.bot.reason.phase
        assert self.processes == []
        assert self.secret is None or self.secret not in self.log


class Plays:
    """Plays broken bots, each in a task."""

    def __init__(self, controller: httpx.AsyncClient, voice: Voice) -> None:
        self._controller = controller
        self._voice = voice
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._secrets: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def playing(self, bots: Sequence[BrokenBot]) -> AsyncIterator[dict[str, asyncio.Task[Played]]]:
        """Play them all for the length of the block; yield their tasks by the agents' names."""
        tasks = {bot.name: asyncio.create_task(self._play(bot)) for bot in bots}
        try:
            yield tasks
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _play(self, bot: BrokenBot) -> Played:
        async with self._room:
            wanted = {"user_id": bot.name, "agent": bot.name}
            answer = await self._controller.post("/v1/sessions", json=wanted)
            session = answer.raise_for_status().json()
            call = asyncio.create_task(self._call(bot, session)) if bot.is_called else None
            ended = await eventually(
                lambda: ended_session(self._controller, session["id"]), bot.situation, _PATIENCE_SECONDS
            )
            if call is not None:
                call.cancel()
                # The bot of a failed call is the one that is wrong: its record says how.
                with contextlib.suppress(asyncio.CancelledError, CallFailedError):
                    await call
        log = (await self._controller.get(f"/v1/sessions/{session['id']}/logs")).text
        return Played(bot, ended, log, bots_of(session["id"]), self._secrets.get(session["id"]))

    async def _call(self, bot: BrokenBot, session: dict[str, Any]) -> None:
        """Call the bot, and end the call in its own way."""
        room = RoomAddress(session["room"]["url"], session["room"]["token"])
        async with calling(str(self._controller.base_url), self._voice, room=room) as (caller, _):
            [process] = bots_of(session["id"])[:1]
            self._secrets[session["id"]] = variable_of(process, environment.LAUNCH_TOKEN)
            if bot.ends == "stopped":
                await self._controller.delete(f"/v1/sessions/{session['id']}")
            if bot.ends != "hangs up":
                await caller.bot_leaves(_PATIENCE_SECONDS)


def table(played: Sequence[Played]) -> list[str]:
    """Return a line for each, for a person."""
    return [
        f"{each.seconds:5.1f} s  {each.bot.name:28} {each.session['reason']:14} {each.session['message']}"
        for each in played
    ]
