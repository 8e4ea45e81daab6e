"""The socket Google's SDK connects to: who may come in, one session each, and how it closes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.ears import Ears
from sandbox.gemini import wire
from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.conversation import Conversation, Memory
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.session import Session
from sandbox.gemini.setup import check_key, check_setup
from sandbox.gemini.speech import Speaker
from sandbox.voice import Voice

_PATH: Final = (
    r"/ws/google.ai.generativelanguage.{version:v1beta|v1alpha}.GenerativeService.BidiGenerateContent"
)
_LONGEST_CLOSE_REASON: Final = 123
"""Bytes of a sentence in a close frame: RFC 6455, section 5.5. Google cuts its own off as well."""

_CLOSING_SECONDS: Final = 0.5
"""How long a client may take to answer a close."""

_LARGEST_MESSAGE: Final = 4 * 1024 * 1024


class Gemini(msgspec.Struct):
    """What all sessions share.

    Attributes:
        key: The API key a client must have.
        categories: The shop's categories, in which a search may name one.
        clock: Seconds on a clock that only goes forward.
        now: The time of day.
        records: What each session did, oldest first.
        memories: What a session's resumption handle brings back.
    """

    key: str
    ears: Ears
    voice: Voice
    categories: Collection[str]
    behaviour: Behaviour
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    records: list[SessionRecord] = []
    memories: dict[str, Memory] = {}


def create_gemini_app(gemini: Gemini) -> web.Application:
    """The web application that serves Gemini Live."""
    open_sockets: set[web.WebSocketResponse] = set()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=_CLOSING_SECONDS, max_msg_size=_LARGEST_MESSAGE)
        await socket.prepare(request)
        open_sockets.add(socket)
        try:
            await _serve_socket(gemini, request, socket)
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
    app.router.add_get(_PATH, serve)
    app.on_shutdown.append(close_all)
    return app


async def _serve_socket(gemini: Gemini, request: web.Request, socket: web.WebSocketResponse) -> None:
    messages = _messages(socket)
    try:
        first = await anext(messages, None)
        if first is not None:
            check_key(request.headers.get("x-goog-api-key") or request.query.get("key"), gemini.key)
            setup = _checked_setup(first, request.match_info["version"])
            await _hold_session(gemini, setup, messages, socket)
    except wire.ProtocolError as error:
        sentence = str(error).encode()[:_LONGEST_CLOSE_REASON]
        await socket.close(code=error.code, message=sentence)


def _checked_setup(first: wire.ClientMessage, version: str) -> wire.Setup:
    if first.setup is None:
        raise wire.ProtocolError(wire.WRONG_ARGUMENT, "The first message must be setup.")
    check_setup(first.setup, version)
    return first.setup


async def _hold_session(
    gemini: Gemini,
    setup: wire.Setup,
    messages: AsyncIterator[wire.ClientMessage],
    socket: web.WebSocketResponse,
) -> None:
    memory = _recall(gemini, setup)
    record = SessionRecord(started_at=gemini.now(), model=setup.model)
    gemini.records.append(record)
    send = _sender(socket)
    await send({"setupComplete": {}})
    if setup.session_resumption is not None:
        await send(_fresh_handle(gemini, memory))
    try:
        async with asyncio.TaskGroup() as tasks:
            conversation = Conversation(
                setup=setup,
                memory=memory,
                categories=gemini.categories,
                speaker=Speaker(gemini.voice, gemini.behaviour, gemini.clock, gemini.sleep),
                record=record,
                send=send,
                clock=gemini.clock,
                tasks=tasks,
            )
            await Session(setup, conversation, gemini.ears, gemini.behaviour).run(messages)
    except* wire.ProtocolError as errors:
        raise errors.exceptions[0] from None
    finally:
        record.ended_at = gemini.now()


def _recall(gemini: Gemini, setup: wire.Setup) -> Memory:
    handle = setup.session_resumption.handle if setup.session_resumption else None
    if handle is None:
        return Memory()
    memory = gemini.memories.get(handle)
    if memory is None:
        raise wire.ProtocolError(wire.REFUSED, "BidiGenerateContent session not found")
    return memory


def _fresh_handle(gemini: Gemini, memory: Memory) -> dict[str, Any]:
    handle = secrets.token_urlsafe(16)
    gemini.memories[handle] = memory
    return wire.resumption_update(handle)


def _sender(socket: web.WebSocketResponse) -> Callable[[dict[str, Any]], Awaitable[None]]:
    """A function that sends one message, as JSON in a binary frame, as Google does."""

    async def send(message: dict[str, Any]) -> None:
        # A client that has just left is noticed by whoever reads from it.
        with suppress(ConnectionResetError):
            await socket.send_bytes(msgspec.json.encode(message))

    return send


async def _messages(socket: web.WebSocketResponse) -> AsyncIterator[wire.ClientMessage]:
    async for frame in socket:
        if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            yield wire.read_message(frame.data)
