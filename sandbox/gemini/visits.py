"""One visit of a client, from its setup until its socket closes: refused, or held as a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from sandbox.gemini import wire
from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.callers import ModelCaller
from sandbox.gemini.connection import Connection
from sandbox.gemini.conversation import Conversation
from sandbox.gemini.faults import (
    AcceptAndHang,
    AtMoment,
    Drop,
    Fault,
    Refusal,
    RefuseKey,
    RefuseQuota,
    RefuseSetup,
)
from sandbox.gemini.line import ClientLine
from sandbox.gemini.manners import Amnesia, Manner
from sandbox.gemini.memory import Memory
from sandbox.gemini.model import Gemini
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.session import LiveSession
from sandbox.gemini.setup import check_key, check_setup
from sandbox.gemini.speech import Speaker
from sandbox.gemini.tokens import Token

_AFTER_SETUP: Final = AcceptAndHang | Refusal | AtMoment

_INSTRUCTION_END: Final = 40

_CLEAN_CLOSES: Final = (1000, 1001)

_HAS_NOT_GONE: Final = (
    "Connection aborted because the client failed to close the connection after receiving a GoAway signal."
)
_HAS_EXPIRED: Final = "The token has expired."


async def serve(gemini: Gemini, request: web.Request, line: ClientLine) -> None:
    """Serve a client whose socket has just opened."""
    messages = line.messages()
    try:
        first = await anext(messages, None)
        if first is None:
            return
        setup, token = _let_in(gemini, request, first)
        memory = gemini.recall(setup)
        host = request.remote or ""
        known = gemini.orders.known(host, setup.instruction) if memory is None else memory.caller
        fault = gemini.orders.take_fault(known, _AFTER_SETUP, resumed=memory is not None)
        if fault is not None and _refuses(fault):
            gemini.note_refusal(fault.name, known)
            await _refuse(gemini, fault, line, messages)
            return
        caller = known or ModelCaller()
        caller.host = host
        await _Visit(gemini, setup, token, line, caller).hold(messages, memory, fault)
    except wire.ProtocolError as error:
        await line.close(error.code, str(error))


def _let_in(
    gemini: Gemini, request: web.Request, first: wire.ClientMessage
) -> tuple[wire.Setup, Token | None]:
    """Check key or token, and the setup. What a token has locked is as it says, whatever the setup does."""
    version = request.match_info["version"]
    if not request.path.endswith("Constrained"):
        check_key(key_in(request), gemini.key)
        return _checked_setup(first, version), None
    setup = _checked_setup(first, version)
    token = gemini.tokens.use(_token_in(request), resumes=gemini.recalls(setup))
    if token.model is not None:
        setup = msgspec.structs.replace(setup, model=token.model)
        check_setup(setup, version)
    return setup, token


def key_in(request: web.Request) -> str | None:
    """Return the API key that a request shows."""
    return request.headers.get("x-goog-api-key") or request.query.get("key")


def _token_in(request: web.Request) -> str:
    scheme, _, name = request.headers.get("Authorization", "").partition(" ")
    return name if scheme == "Token" else request.query.get("access_token", "")


def _checked_setup(first: wire.ClientMessage, version: str) -> wire.Setup:
    if first.setup is None:
        raise wire.ProtocolError(wire.WRONG_ARGUMENT, "The first message must be setup.")
    check_setup(first.setup, version)
    return first.setup


def _refuses(fault: Fault) -> bool:
    return not isinstance(fault, AtMoment) or (isinstance(fault, Drop) and fault.after == "connect")


async def _refuse(
    gemini: Gemini, fault: Fault, line: ClientLine, messages: AsyncIterator[wire.ClientMessage]
) -> None:
    match fault:
        case RefuseKey() | RefuseQuota() | RefuseSetup():
            await line.close(fault.code, fault.sentence)
        case Drop():
            await gemini.sleep(fault.delay_seconds)
            await line.drop(fault.code, fault.sentence)
        case _:
            async for _message in messages:
                pass


@dataclass(eq=False)
class _Visit:
    """A client that was let in."""

    gemini: Gemini
    setup: wire.Setup
    token: Token | None
    line: ClientLine
    caller: ModelCaller

    async def hold(
        self,
        messages: AsyncIterator[wire.ClientMessage],
        remembered: Memory | None,
        fault: Fault | None,
    ) -> None:
        """Hold the session, with what is remembered of the conversation if there is anything."""
        self.caller.instruction = self.setup.instruction
        manners = self.gemini.orders.take_manners(self.caller, resumed=remembered is not None)
        orders: list[Fault | Manner] = [*manners, *([] if fault is None else [fault])]
        lost = self.caller.conversations[-1] if remembered is None and self.caller.conversations else None
        memory = self._memory(remembered, manners)
        record = SessionRecord(
            started_at=self.gemini.now(),
            model=self.setup.model,
            tools={name: function.behavior for name, function in self.setup.functions.items()},
            conversation=memory.name,
            succeeds=lost,
            resumed=remembered is not None,
            instruction_ends=self.setup.instruction[-_INSTRUCTION_END:],
            newer_handles=0 if remembered is None else remembered.newer_handles(self.setup.handle),
            compresses_context=self.setup.context_window_compression is not None,
            misbehaviours=[order.name for order in orders],
        )
        self.gemini.record.sessions.append(record)
        self.caller.came(self)
        try:
            await self._converse(messages, memory, record, Behaviour(orders))
        finally:
            record.ended_at = self.gemini.now()
            if self in self.caller.connections:
                self.caller.went(self, self.gemini.clock() if self._is_lost(record) else None)

    def _memory(self, remembered: Memory | None, manners: list[Manner]) -> Memory:
        if remembered is None:
            return self.gemini.begin_conversation(self.caller)
        if any(isinstance(manner, Amnesia) for manner in manners):
            return Memory(name=remembered.name, caller=self.caller, calls_made=remembered.calls_made)
        return remembered

    def _is_lost(self, record: SessionRecord) -> bool:
        """Return whether the client lost this connection, instead of leaving."""
        return bool(record.misbehaviours) or self.line.socket.close_code not in _CLEAN_CLOSES

    async def _converse(
        self,
        messages: AsyncIterator[wire.ClientMessage],
        memory: Memory,
        record: SessionRecord,
        behaviour: Behaviour,
    ) -> None:
        gemini = self.gemini
        token_limit = asyncio.timeout(None if self.token is None else gemini.tokens.seconds_left(self.token))
        time_limit = asyncio.timeout(None)
        try:
            async with token_limit, time_limit, asyncio.TaskGroup() as tasks:
                connection = Connection(
                    self.line,
                    behaviour,
                    record,
                    tasks=tasks,
                    time_limit=time_limit,
                    sleep=gemini.sleep,
                    on_failing=self._note_loss,
                )
                conversation = Conversation(
                    setup=self.setup,
                    memory=memory,
                    categories=gemini.categories,
                    speaker=Speaker(gemini.voice, gemini.pacing, gemini.clock, gemini.sleep),
                    record=record,
                    send=connection.send,
                    reach=connection.reach,
                    clock=gemini.clock,
                    tasks=tasks,
                    new_handle=lambda: gemini.new_handle(memory),
                    behaviour=behaviour,
                )
                session = LiveSession(self.setup, conversation, gemini.ears, gemini.pacing)
                with self._listening(connection):
                    await self._run(session, messages)
        except TimeoutError:
            await self.line.close(wire.REFUSED, _HAS_EXPIRED if token_limit.expired() else _HAS_NOT_GONE)

    def _note_loss(self) -> None:
        self.caller.went(self, self.gemini.clock())

    async def _run(self, session: LiveSession, messages: AsyncIterator[wire.ClientMessage]) -> None:
        try:
            await session.run(messages)
        except wire.ProtocolError as error:
            await self.line.close(error.code, str(error))

    @contextmanager
    def _listening(self, connection: Connection) -> Iterator[None]:
        """Let the connection take the orders that are for now."""
        everybody, caller = self.gemini.orders.listeners, self.caller.orders.listeners
        everybody.add(connection.order)
        caller.add(connection.order)
        try:
            yield
        finally:
            everybody.discard(connection.order)
            caller.discard(connection.order)
            connection.stop()
