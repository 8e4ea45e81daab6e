"""The socket Google's SDK connects to: who may come in, one session each, and how it closes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.ears import Ears
from sandbox.gemini import wire
from sandbox.gemini.behaviour import (
    AcceptAndHang,
    Behaviour,
    HttpStatus,
    ModelOrders,
    RefuseKey,
    RefuseQuota,
    RefuseSetup,
    next_behaviour,
    no_orders,
    turns_away_next,
)
from sandbox.gemini.connection import Connection, close
from sandbox.gemini.conversation import Conversation
from sandbox.gemini.memory import Memory
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.record import ModelRecord, RefusalRecord, SessionRecord
from sandbox.gemini.session import LiveSession
from sandbox.gemini.setup import check_key, check_setup
from sandbox.gemini.speech import Speaker
from sandbox.gemini.tokens import EphemeralTokens, Token, TokenRequestError
from sandbox.voice import Voice

_SERVICE: Final = "/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"
_WITH_KEY: Final = _SERVICE.format(version="{version:v1beta|v1alpha}", method="BidiGenerateContent")
_WITH_TOKEN: Final = _SERVICE.format(version="{version:v1alpha}", method="BidiGenerateContentConstrained")
_TOKENS: Final = "/v1alpha/auth_tokens"
_CLOSING_SECONDS: Final = 0.5
"""How long a client may take to answer a close."""

_LARGEST_MESSAGE: Final = 4 * 1024 * 1024

_HAS_NOT_GONE: Final = (
    "Connection aborted because the client failed to close the connection after receiving a GoAway signal."
)


_HAS_EXPIRED: Final = "The token has expired."


class Gemini(msgspec.Struct):
    """What all sessions share.

    Attributes:
        key: The API key a client must have.
        categories: The shop's categories, in which a search may name one.
        clock: Seconds on a clock that only goes forward.
        now: The time of day.
        tokens: The tokens that a client may show instead of the key.
        orders: What is to go wrong.
        record: What has happened.
        memories: What a session's resumption handle brings back.
    """

    key: str
    ears: Ears
    voice: Voice
    categories: Collection[str]
    pacing: Pacing
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    tokens: EphemeralTokens
    orders: ModelOrders = msgspec.field(default_factory=no_orders)
    record: ModelRecord = msgspec.field(default_factory=ModelRecord)
    memories: dict[str, Memory] = {}

    def turns_away(self) -> bool:
        """Whether the connection that is just being made is reset at once."""
        turned_away = turns_away_next(self.orders)
        if turned_away:
            self.note_refusal("unreachable")
        return turned_away

    def note_refusal(self, misbehaviour: str) -> None:
        self.record.refused.append(RefusalRecord(self.now(), misbehaviour))


def create_gemini_app(gemini: Gemini) -> web.Application:
    """The web application that serves Gemini Live."""
    open_sockets: set[web.WebSocketResponse] = set()

    async def serve(request: web.Request) -> web.StreamResponse:
        behaviour = next_behaviour(gemini.orders)
        if isinstance(behaviour.fault, HttpStatus):
            gemini.note_refusal(behaviour.fault.name)
            return web.Response(status=behaviour.fault.status)
        # Without compression, a message is written when it is sent, and not by a thread a little later.
        socket = web.WebSocketResponse(
            timeout=_CLOSING_SECONDS, max_msg_size=_LARGEST_MESSAGE, compress=False
        )
        await socket.prepare(request)
        open_sockets.add(socket)
        try:
            await _serve_socket(gemini, request, socket, behaviour)
        finally:
            open_sockets.discard(socket)
        return socket

    async def close_all(_app: web.Application) -> None:
        async with asyncio.TaskGroup() as closing:
            for socket in open_sockets:
                closing.create_task(
                    socket.close(code=WSCloseCode.GOING_AWAY, message=b"The sandbox is stopping.")
                )

    app = web.Application()

    async def make_token(request: web.Request) -> web.Response:
        try:
            check_key(_key(request), gemini.key)
            return web.json_response({"name": gemini.tokens.make(await request.read())})
        except (wire.ProtocolError, TokenRequestError) as error:
            error_body = {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}
            return web.json_response({"error": error_body}, status=400)

    app.router.add_get(_WITH_KEY, serve)
    app.router.add_get(_WITH_TOKEN, serve)
    app.router.add_post(_TOKENS, make_token)
    app.on_shutdown.append(close_all)
    return app


async def _serve_socket(
    gemini: Gemini, request: web.Request, socket: web.WebSocketResponse, behaviour: Behaviour
) -> None:
    messages = _messages(socket)
    try:
        first = await anext(messages, None)
        if first is None:
            return
        setup, token = _let_in(gemini, request, first)
        match behaviour.fault:
            case RefuseKey() | RefuseQuota() | RefuseSetup() as refusal:
                gemini.note_refusal(refusal.name)
                await close(socket, refusal.code, refusal.sentence)
            case AcceptAndHang() as fault:
                gemini.note_refusal(fault.name)
                await _read_to_the_end(messages)
            case _:
                await _hold_session(gemini, setup, token, messages, socket, _transport(request), behaviour)
    except wire.ProtocolError as error:
        await close(socket, error.code, str(error))


def _let_in(
    gemini: Gemini, request: web.Request, first: wire.ClientMessage
) -> tuple[wire.Setup, Token | None]:
    """Check key or token, and the setup. What a token has locked is as it says, whatever the setup does."""
    version = request.match_info["version"]
    if not request.path.endswith("Constrained"):
        check_key(_key(request), gemini.key)
        return _checked_setup(first, version), None
    setup = _checked_setup(first, version)
    token = gemini.tokens.use(_token(request), resumes=_recalls(gemini, setup))
    if token.model is not None:
        setup = msgspec.structs.replace(setup, model=token.model)
        check_setup(setup, version)
    return setup, token


def _key(request: web.Request) -> str | None:
    return request.headers.get("x-goog-api-key") or request.query.get("key")


def _token(request: web.Request) -> str:
    scheme, _, name = request.headers.get("Authorization", "").partition(" ")
    return name if scheme == "Token" else request.query.get("access_token", "")


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError
    return request.transport


async def _read_to_the_end(messages: AsyncIterator[wire.ClientMessage]) -> None:
    async for _message in messages:
        pass


def _checked_setup(first: wire.ClientMessage, version: str) -> wire.Setup:
    if first.setup is None:
        raise wire.ProtocolError(wire.WRONG_ARGUMENT, "The first message must be setup.")
    check_setup(first.setup, version)
    return first.setup


async def _hold_session(
    gemini: Gemini,
    setup: wire.Setup,
    token: Token | None,
    messages: AsyncIterator[wire.ClientMessage],
    socket: web.WebSocketResponse,
    transport: asyncio.Transport,
    behaviour: Behaviour,
) -> None:
    memory = _recall(gemini, setup)
    with _recorded(gemini, setup, memory.name, behaviour) as record:
        connection = Connection(socket, transport, behaviour, record)
        token_limit = asyncio.timeout(None if token is None else gemini.tokens.seconds_left(token))
        try:
            async with token_limit, connection.time_limit, asyncio.TaskGroup() as tasks:
                conversation = Conversation(
                    setup=setup,
                    memory=memory,
                    categories=gemini.categories,
                    speaker=Speaker(gemini.voice, gemini.pacing, gemini.clock, gemini.sleep),
                    record=record,
                    send=connection.send,
                    clock=gemini.clock,
                    tasks=tasks,
                    new_handle=_handles(gemini, memory),
                    behaviour=behaviour,
                )
                session = LiveSession(setup, conversation, gemini.ears, gemini.pacing)
                with _listening(gemini, connection):
                    await _run(session, messages, socket)
        except TimeoutError:
            await close(socket, wire.REFUSED, _HAS_EXPIRED if token_limit.expired() else _HAS_NOT_GONE)


async def _run(
    session: LiveSession, messages: AsyncIterator[wire.ClientMessage], socket: web.WebSocketResponse
) -> None:
    try:
        await session.run(messages)
    except wire.ProtocolError as error:
        await close(socket, error.code, str(error))


@contextmanager
def _recorded(
    gemini: Gemini, setup: wire.Setup, conversation: str, behaviour: Behaviour
) -> Iterator[SessionRecord]:
    record = SessionRecord(
        started_at=gemini.now(),
        model=setup.model,
        conversation=conversation,
        resumed=_handle_in(setup) is not None,
        misbehaviours=behaviour.names,
    )
    gemini.record.sessions.append(record)
    try:
        yield record
    finally:
        record.ended_at = gemini.now()


@contextmanager
def _listening(gemini: Gemini, connection: Connection) -> Iterator[None]:
    """Let the connection take the orders that are for now."""
    gemini.orders.listeners.add(connection.order)
    try:
        yield
    finally:
        gemini.orders.listeners.discard(connection.order)


def _recall(gemini: Gemini, setup: wire.Setup) -> Memory:
    handle = _handle_in(setup)
    if handle is None:
        return Memory(name=secrets.token_hex(4))
    memory = gemini.memories.get(handle)
    if memory is None:
        raise wire.ProtocolError(wire.REFUSED, "BidiGenerateContent session not found")
    return memory


def _recalls(gemini: Gemini, setup: wire.Setup) -> bool:
    """Whether a session goes on with another's memory, and is not merely said to."""
    return _handle_in(setup) in gemini.memories


def _handle_in(setup: wire.Setup) -> str | None:
    return setup.session_resumption.handle if setup.session_resumption else None


def _handles(gemini: Gemini, memory: Memory) -> Callable[[], str]:
    """A function that gives another handle each time, all of them to the same memory."""

    def new_handle() -> str:
        handle = secrets.token_urlsafe(16)
        gemini.memories[handle] = memory
        return handle

    return new_handle


async def _messages(socket: web.WebSocketResponse) -> AsyncIterator[wire.ClientMessage]:
    async for frame in socket:
        if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            yield wire.read_message(frame.data)
