"""The socket Google's SDK connects to: who may come in, one session each, and how it closes."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WSCloseCode, web

from podline.contract.model import GEMINI_MODEL
from sandbox.gemini import wire
from sandbox.gemini.faults import HttpStatus
from sandbox.gemini.line import ClientLine
from sandbox.gemini.model import Gemini
from sandbox.gemini.setup import check_key
from sandbox.gemini.tokens import TokenRequestError
from sandbox.gemini.visits import key_in, serve

_SERVICE: Final = "/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"
_WITH_KEY: Final = _SERVICE.format(version="{version:v1beta|v1alpha}", method="BidiGenerateContent")
_WITH_TOKEN: Final = _SERVICE.format(version="{version:v1alpha}", method="BidiGenerateContentConstrained")
_MODELS: Final = "/v1beta/models"
_TOKENS: Final = "/v1alpha/auth_tokens"
_CLOSING_SECONDS: Final = 0.5
"""How long a client may take to answer a close."""

_LARGEST_MESSAGE: Final = 4 * 1024 * 1024


def create_gemini_app(gemini: Gemini) -> web.Application:
    """The web application that serves Gemini Live."""
    open_sockets: set[web.WebSocketResponse] = set()

    async def open_socket(request: web.Request) -> web.StreamResponse:
        caller = gemini.orders.expected(request.remote or "")
        fault = gemini.orders.take_fault(caller, HttpStatus, resumed=None)
        if isinstance(fault, HttpStatus):
            gemini.note_refusal(fault.name, caller)
            return web.json_response(fault.body, status=fault.status)
        # Without compression, a message is written when it is sent, and not by a thread a little later.
        socket = web.WebSocketResponse(
            timeout=_CLOSING_SECONDS, max_msg_size=_LARGEST_MESSAGE, compress=False, autoping=False
        )
        await socket.prepare(request)
        open_sockets.add(socket)
        try:
            await serve(gemini, request, ClientLine(socket, _transport(request)))
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
            check_key(key_in(request), gemini.key)
            return web.json_response({"name": gemini.tokens.make(await request.read())})
        except (wire.ProtocolError, TokenRequestError) as error:
            error_body = {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}
            return web.json_response({"error": error_body}, status=400)

    async def list_models(request: web.Request) -> web.Response:
        try:
            check_key(key_in(request), gemini.key)
        except wire.ProtocolError as error:
            error_body = {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}
            return web.json_response({"error": error_body}, status=400)
        return web.json_response({"models": [{"name": GEMINI_MODEL}]})

    app.router.add_get(_WITH_KEY, open_socket)
    app.router.add_get(_MODELS, list_models)
    app.router.add_get(_WITH_TOKEN, open_socket)
    app.router.add_post(_TOKENS, make_token)
    app.on_shutdown.append(close_all)
    return app


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError
    return request.transport
