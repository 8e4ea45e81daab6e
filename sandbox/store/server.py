"""The store's four routes for the bots, and the control API beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from sandbox.store.access import AccessError
from sandbox.store.behaviour import answer_badly
from sandbox.store.catalogue import as_json
from sandbox.store.control import add_control_routes
from sandbox.store.requests import Body, BodyError, ChangeList, SaveTranscript, SearchProducts, read_body
from sandbox.store.search import MOST_PRODUCTS, parse_price_range, search
from sandbox.store.state import RequestRecord, SandboxStore


def create_store_app(store: SandboxStore) -> web.Application:
    """The web application that serves the store."""
    app = web.Application()
    app.router.add_post("/searchProductsByVoice", _route(store, SearchProducts, _search))
    app.router.add_post("/saveProductByNumber", _route(store, ChangeList, _save))
    app.router.add_post("/removeProductByNumber", _route(store, ChangeList, _remove))
    app.router.add_post("/saveTranscript", _route(store, SaveTranscript, _save_transcript))
    add_control_routes(app, store)
    return app


def _route(
    store: SandboxStore, kind: type[Body], handle: Callable[[SandboxStore, Body], web.Response]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        data = await request.read()
        body = _as_sent(data)
        store.requests.append(RequestRecord(request.path, body, store.now()))
        misbehaviour = store.orders.take(lambda order: order.applies_to(request.path, body))
        if misbehaviour is not None:
            return await answer_badly(misbehaviour, lambda: _answer(store, request, data, kind, handle))
        return _answer(store, request, data, kind, handle)

    return serve


def _answer(
    store: SandboxStore,
    request: web.Request,
    data: bytes,
    kind: type[Body],
    handle: Callable[[SandboxStore, Body], web.Response],
) -> web.Response:
    try:
        bearer = store.access.bearer(request.headers.get("Authorization"), store.now().timestamp())
        body = read_body(data, kind)
        if bearer is not None:
            # Whatever a body claims, it is about those whom its bot is for.
            bearer.check(getattr(body, "user_id", None), getattr(body, "session_id", None))
        return handle(store, body)
    except AccessError as error:
        return _refused(error.status, str(error))
    except BodyError as error:
        return _refused(400, str(error))


def _as_sent(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return data.decode(errors="replace")


def _search(store: SandboxStore, request: SearchProducts) -> web.Response:
    found = search(
        store.catalogue.products.values(),
        request.query,
        request.category,
        parse_price_range(request.price_range),
    )
    products = [as_json(product) for product in found[:MOST_PRODUCTS]]
    return web.json_response({"products": products, "total": len(found)})


def _save(store: SandboxStore, change: ChangeList) -> web.Response:
    product = store.catalogue.products.get(change.product_number)
    if product is None:
        return _unknown(change.product_number)
    added = store.database.save(change.user_id, product.number)
    return web.json_response({"success": True, "product": as_json(product), "alreadySaved": not added})


def _remove(store: SandboxStore, change: ChangeList) -> web.Response:
    product = store.catalogue.products.get(change.product_number)
    if product is None:
        return _unknown(change.product_number)
    removed = store.database.remove(change.user_id, product.number)
    return web.json_response({"success": True, "removed": removed, "product": as_json(product)})


def _save_transcript(store: SandboxStore, transcript: SaveTranscript) -> web.Response:
    store.database.store_turns(transcript.stored())
    return web.json_response({"success": True})


def _unknown(number: int) -> web.Response:
    return _refused(404, f"There is no product number {number}.")


def _refused(status: int, sentence: str) -> web.Response:
    return web.json_response({"success": False, "error": sentence}, status=status)
