"""The control API, for tests and the bench: what happened, and what is to go wrong."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from sandbox.gemini.record import live_conversations
from sandbox.misbehaviour import Orders
from sandbox.store.state import SandboxStore


class _Addressed(msgspec.Struct, frozen=True):
    target: str


def add_control_routes(app: web.Application, store: SandboxStore) -> None:
    """Serve the control API below `/sandbox/`."""
    _add_what_happened(app, store)
    _add_what_goes_wrong(app, {"store": store.orders, **store.orders_elsewhere})


def _add_what_happened(app: web.Application, store: SandboxStore) -> None:
    async def requests(_request: web.Request) -> web.Response:
        return _json({"requests": store.requests})

    async def saved(request: web.Request) -> web.Response:
        numbers = store.database.saved(request.query.get("userId", ""))
        return _json({"products": [store.catalogue.products[number] for number in numbers]})

    async def transcripts(request: web.Request) -> web.Response:
        return _json({"turns": store.database.turns(request.query.get("sessionId", ""))})

    async def model(_request: web.Request) -> web.Response:
        return _json(store.model)

    async def openai(_request: web.Request) -> web.Response:
        return _json(store.openai)

    async def conversations(_request: web.Request) -> web.Response:
        return _json({"conversations": live_conversations(store.model)})

    app.router.add_get("/sandbox/conversations", conversations)
    app.router.add_get("/sandbox/requests", requests)
    app.router.add_get("/sandbox/saved", saved)
    app.router.add_get("/sandbox/transcripts", transcripts)
    app.router.add_get("/sandbox/model", model)
    app.router.add_get("/sandbox/openai", openai)


def _add_what_goes_wrong(app: web.Application, targets: dict[str, Orders[Any]]) -> None:
    async def misbehave(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            target = msgspec.json.decode(body, type=_Addressed).target
            if target not in targets:
                return _json({"error": f"target is one of {', '.join(targets)}"}, status=422)
            return _json({"applied_now": await targets[target].add(body)})
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, status=422)

    async def behave(_request: web.Request) -> web.Response:
        for orders in targets.values():
            orders.reset()
        return web.Response(status=204)

    app.router.add_post("/sandbox/behaviour", misbehave)
    app.router.add_delete("/sandbox/behaviour", behave)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json", status=status)
