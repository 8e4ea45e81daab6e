"""A client's socket: sends what the session's behaviour makes of a message, and counts what was sent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, assert_never

import msgspec
from aiohttp import web

from sandbox.gemini import wire
from sandbox.gemini.behaviour import (
    NONSENSE,
    AcceptAndHang,
    Behaviour,
    Drop,
    Fault,
    GoAway,
    HttpStatus,
    Manner,
    Nonsense,
    RefuseKey,
    RefuseQuota,
    RefuseSetup,
    Stall,
    Unreachable,
    is_met,
)
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.usage import spent_in

_LONGEST_CLOSE_REASON: Final = 123
"""Bytes of a sentence in a close frame: RFC 6455, section 5.5. Google cuts its own off as well."""


class Connection:
    """The model's end of a session's socket.

    Attributes:
        time_limit: Ends its block when a session that was sent a goAway has not closed by itself.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        behaviour: Behaviour,
        record: SessionRecord,
    ) -> None:
        self.time_limit = asyncio.timeout(None)
        self._socket = socket
        self._transport = transport
        self._behaviour = behaviour
        self._record = record
        self._stalled = False

    async def send(self, message: dict[str, Any]) -> bool:
        """Send a message as JSON in a binary frame, as Google does; whether it went out.

        The reader notices a client that has just left.
        """
        sent = [await self._transmit(bent) for bent in self._behaviour.bend(message)]
        fault = self._behaviour.due_after(message)
        if fault is not None:
            await self._commit(fault)
        return any(sent)

    async def order(self, order: Fault | Manner) -> None:
        """Misbehave from now on, at once if it concerns the connection itself."""
        self._record.misbehaviours.append(order.name)
        if not isinstance(order, Manner) and is_met(order):
            await self._commit(order)
        else:
            self._behaviour.order(order)

    async def _transmit(self, message: dict[str, Any]) -> bool:
        if self._stalled or self._socket.closed or self._transport.is_closing():
            return False
        # Count first: the sender may be interrupted once it is written.
        if "usageMetadata" in message:
            self._record.tokens = self._record.tokens.plus(spent_in(message["usageMetadata"]))
        await self._write(msgspec.json.encode(message))
        return True

    async def _write(self, data: bytes) -> None:
        with suppress(ConnectionResetError):
            await self._socket.send_bytes(data)

    async def _commit(self, fault: Fault) -> None:
        match fault:
            case Drop(code=1006):
                self._transport.abort()
            case Drop() | RefuseKey() | RefuseQuota() | RefuseSetup():
                await close(self._socket, fault.code, fault.sentence)
            case GoAway():
                await self._transmit(wire.go_away(fault.time_left_seconds))
                self.time_limit.reschedule(asyncio.get_running_loop().time() + fault.time_left_seconds)
            case Stall():
                self._stalled = True
            case Nonsense():
                for data in NONSENSE:
                    await self._write(data)
            case Unreachable() | HttpStatus() | AcceptAndHang():
                raise AssertionError(f"{fault.name} in a session")
            case _:
                assert_never(fault)


async def close(socket: web.WebSocketResponse, code: int, sentence: str) -> None:
    """Close a socket with as much of a sentence as a close frame holds."""
    await socket.close(code=code, message=sentence.encode()[:_LONGEST_CLOSE_REASON])
