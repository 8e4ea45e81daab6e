"""A client's socket: sends what the session's behaviour makes of a message, and counts what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from sandbox.gemini import server_messages
from sandbox.gemini.behaviour import NONSENSE, Behaviour, is_met
from sandbox.gemini.bending import THOUGHT
from sandbox.gemini.faults import (
    Aimed,
    AtMoment,
    Drop,
    FalseInterruption,
    GoAway,
    HugeMessage,
    Moment,
    Nonsense,
    RefuseKey,
    RefuseQuota,
    RefuseSetup,
    Stall,
    WithholdPongs,
)
from sandbox.gemini.line import ClientLine
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.usage import sane_spent_in


class Connection:
    """The model's end of a session."""

    def __init__(
        self,
        line: ClientLine,
        behaviour: Behaviour,
        record: SessionRecord,
        *,
        tasks: asyncio.TaskGroup,
        time_limit: asyncio.Timeout,
        sleep: Callable[[float], Awaitable[None]],
        on_failing: Callable[[], None],
    ) -> None:
        """Make a connection.

        Args:
            line: The client's socket.
            behaviour: What is to go wrong.
            record: What has happened.
            tasks: Runs what goes wrong later.
            time_limit: Ends the session when it was sent a goAway and has not closed by itself.
            sleep: Waits for so many seconds.
            on_failing: Called when an attentive client would give up the connection.
        """
        self._line = line
        self._behaviour = behaviour
        self._record = record
        self._tasks = tasks
        self._time_limit = time_limit
        self._sleep = sleep
        self._on_failing = on_failing
        self._stalled = False
        self._later: set[asyncio.Task[None]] = set()

    async def send(self, message: dict[str, Any]) -> bool:
        """Send a message as JSON in a binary frame, as Google does; whether it went out.

        The reader notices a client that has just left.
        """
        moments = self._behaviour.moments_in(message)
        sent = [await self._dispatch(bent, delay) for bent, delay in self._behaviour.bend(message)]
        for moment in moments:
            await self.reach(moment)
        return any(sent)

    async def reach(self, moment: Moment) -> bool:
        """Do what was ordered for this moment; return whether the connection outlives it."""
        for fault in self._behaviour.due(moment):
            await self._schedule(fault)
        return not self._is_gone

    async def order(self, order: Aimed) -> None:
        """Misbehave from now on, at once if it concerns the connection itself."""
        self._record.misbehaviours.append(order.name)
        match order:
            case AtMoment() if is_met(order):
                await self._schedule(order)
            case RefuseKey() | RefuseQuota() | RefuseSetup():
                await self._line.close(order.code, order.sentence)
            case _:
                self._behaviour.order(order)

    def stop(self) -> None:
        """Drop what was to be sent, or go wrong, later."""
        for task in self._later:
            task.cancel()

    async def _schedule(self, fault: AtMoment) -> None:
        if fault.delay_seconds:
            self._do_later(fault.delay_seconds, lambda: self._commit(fault))
        else:
            await self._commit(fault)

    async def _dispatch(self, message: dict[str, Any], delay: float) -> bool:
        if not delay:
            return await self._transmit(message)
        self._do_later(delay, lambda: self._transmit(message))
        return False

    def _do_later(self, seconds: float, act: Callable[[], Awaitable[object]]) -> None:
        async def wait_and_act() -> None:
            await self._sleep(seconds)
            await act()

        task = self._tasks.create_task(wait_and_act())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _transmit(self, message: dict[str, Any]) -> bool:
        if self._stalled or self._is_gone:
            return False
        # Count first: the sender may be interrupted once it is written.
        if "usageMetadata" in message:
            self._record.tokens = self._record.tokens.plus(sane_spent_in(message["usageMetadata"]))
        await self._write(msgspec.json.encode(message))
        return True

    @property
    def _is_gone(self) -> bool:
        return self._line.socket.closed or self._line.transport.is_closing()

    async def _write(self, data: bytes) -> None:
        with suppress(ConnectionResetError):
            await self._line.socket.send_bytes(data)

    async def _commit(self, fault: AtMoment) -> None:
        match fault:
            case Drop():
                await self._line.drop(fault.code, fault.sentence)
            case GoAway():
                self._on_failing()
                await self._transmit(server_messages.go_away(fault.time_left_seconds))
                self._time_limit.reschedule(asyncio.get_running_loop().time() + fault.time_left_seconds)
            case Stall():
                self._on_failing()
                self._stalled = True
                if not fault.reads:
                    self._line.transport.pause_reading()
            case Nonsense():
                for data in NONSENSE:
                    await self._write(data)
            case HugeMessage():
                thought = {**THOUGHT, "text": "x" * fault.bytes}
                await self._transmit(server_messages.model_turn([thought]))
            case FalseInterruption():
                await self._transmit(server_messages.interrupted())
            case WithholdPongs():
                self._line.answers_pings = False
            case _:
                raise AssertionError(f"{fault.name} is not known")
