"""A standby's copy of what sessions have used: a bot that dies with its leader reports it to no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Final, Protocol

import msgspec
from pydantic import TypeAdapter

from controller.core.leadership import Leadership
from controller.core.session import Session
from podline.contract.encoding import DecodeError, decode, encode
from podline.contract.usage import Usage

USAGE_PATH: Final = "/internal/replicas/usage"

MOST_SESSIONS: Final = 20_000
"""How many sessions' usage is kept; of more, the one that changed longest ago is dropped."""

_RETRY_SECONDS: Final = 1.0
_TOTALS: Final = TypeAdapter(Usage)


class LinesOf(Protocol):
    """Connections to other controllers."""

    def lines(self, address: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer that goes on, until it ends or breaks."""


class _Line(msgspec.Struct, frozen=True):
    """What one launch has used."""

    launch: str
    usage: msgspec.Raw


class UsageLines:
    """Turns the states of sessions into lines: one for each change of what a session has used."""

    def __init__(self) -> None:
        self._told: dict[str, Usage] = {}

    def of(self, session: Session) -> bytes | None:
        """Return the line of a session's state; None if a copy has it already, or doesn't need it.

        What was used by the end is told too: the leader may be lost before it is on the session's Job.
        """
        launch, usage = session.launch_id, session.usage
        told = self._told.pop(launch, None)
        if not session.phase.is_end:
            self._told[launch] = usage
        elif told is None:
            return None
        return None if usage == (told or Usage()) else _line(launch, usage)


class UsageCopy:
    """Follows the leader for as long as another controller leads."""

    def __init__(self, leadership: Leadership, link: LinesOf) -> None:
        self._leadership = leadership
        self._link = link
        self._usage: dict[str, bytes] = {}

    @property
    def sessions(self) -> Mapping[str, object]:
        """The launches whose usage is kept."""
        return self._usage

    def of(self, launch_id: str) -> Usage | None:
        """Return what a launch had used when the leader last told; None if it told nothing."""
        kept = self._usage.get(launch_id)
        if kept is None:
            return None
        try:
            return decode(_TOTALS, kept)
        except DecodeError:
            # A controller of another release wrote it.
            return None

    def take(self, line: bytes) -> None:
        """Keep what a line tells. One that can't be read tells nothing."""
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            told = msgspec.json.decode(line, type=_Line)
            self._usage.pop(told.launch, None)
            self._usage[told.launch] = bytes(told.usage)
            if len(self._usage) > MOST_SESSIONS:
                del self._usage[next(iter(self._usage))]

    async def follow(self) -> None:
        """Keep the copy up to date until this controller leads."""
        while not self._leadership.is_leading:
            address = self._leadership.leader_address
            if address is not None:
                await self._read_while_it_leads(address)
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._leadership.changed()

    async def _read_while_it_leads(self, address: str) -> None:
        """Read until the stream ends. One from a leader that is merely stopped would never end."""
        reading = asyncio.create_task(self._read(address))
        try:
            while not reading.done() and self._leadership.leader_address == address:
                changing = asyncio.create_task(self._leadership.changed())
                try:
                    await asyncio.wait((reading, changing), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changing.cancel()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, address: str) -> None:
        async with aclosing(self._link.lines(address, USAGE_PATH)) as lines:
            async for line in lines:
                self.take(line)


def _line(launch: str, usage: Usage) -> bytes:
    return msgspec.json.encode(_Line(launch, msgspec.Raw(encode(usage)))) + b"\n"
