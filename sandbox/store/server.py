"""The store's routes: four for the bots, and a few read-only ones that tell tests what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from sandbox.gemini.record import SessionRecord
from sandbox.store.catalogue import Catalogue, Product, as_json
from sandbox.store.database import Database
from sandbox.store.requests import Body, BodyError, ChangeList, SaveTranscript, SearchProducts, read_body
from sandbox.store.search import MOST_PRODUCTS, parse_price_range, search


class RequestRecord(msgspec.Struct, frozen=True):
    """A request a bot made."""

    path: str
    body: Any
    at: datetime


class Store(msgspec.Struct):
    """What the routes work on."""

    catalogue: Catalogue
    database: Database
    now: Callable[[], datetime]
    model_records: list[SessionRecord]
    requests: list[RequestRecord] = []


def create_store_app(store: Store) -> web.Application:
    """The web application that serves the store."""
    app = web.Application()
    app.router.add_post("/searchProductsByVoice", _route(store, SearchProducts, _search))
    app.router.add_post("/saveProductByNumber", _route(store, ChangeList, _save))
    app.router.add_post("/removeProductByNumber", _route(store, ChangeList, _remove))
    app.router.add_post("/saveTranscript", _route(store, SaveTranscript, _save_transcript))
    _add_control_routes(app, store)
    return app


def _route(
    store: Store, kind: type[Body], handle: Callable[[Store, Body], web.Response]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        data = await request.read()
        store.requests.append(RequestRecord(request.path, _as_sent(data), store.now()))
        try:
            return handle(store, read_body(data, kind))
        except BodyError as error:
            return _refused(400, str(error))

    return serve


def _as_sent(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return data.decode(errors="replace")


def _search(store: Store, wish: SearchProducts) -> web.Response:
    found = search(
        store.catalogue.products.values(), wish.query, wish.category, parse_price_range(wish.price_range)
    )
    products = [as_json(product) for product in found[:MOST_PRODUCTS]]
    return web.json_response({"products": products, "total": len(found)})


def _save(store: Store, change: ChangeList) -> web.Response:
    product = store.catalogue.products.get(change.product_number)
    if product is None:
        return _unknown(change.product_number)
    added = store.database.save(change.user_id, product.number)
    return web.json_response({"success": True, "product": as_json(product), "alreadySaved": not added})


def _remove(store: Store, change: ChangeList) -> web.Response:
    product = store.catalogue.products.get(change.product_number)
    if product is None:
        return _unknown(change.product_number)
    removed = store.database.remove(change.user_id, product.number)
    return web.json_response({"success": True, "removed": removed, "product": as_json(product)})


def _save_transcript(store: Store, transcript: SaveTranscript) -> web.Response:
    store.database.store_turns(transcript.stored())
    return web.json_response({"success": True})


def _unknown(number: int) -> web.Response:
    return _refused(404, f"There is no product number {number}.")


def _refused(status: int, sentence: str) -> web.Response:
    return web.json_response({"success": False, "error": sentence}, status=status)


def _add_control_routes(app: web.Application, store: Store) -> None:
    async def requests(_request: web.Request) -> web.Response:
        return _told({"requests": store.requests})

    async def saved(request: web.Request) -> web.Response:
        numbers = store.database.saved(request.query.get("userId", ""))
        products: list[Product] = [store.catalogue.products[number] for number in numbers]
        return _told({"products": products})

    async def transcripts(request: web.Request) -> web.Response:
        return _told({"turns": store.database.turns(request.query.get("sessionId", ""))})

    async def model(_request: web.Request) -> web.Response:
        return _told({"sessions": store.model_records})

    app.router.add_get("/sandbox/requests", requests)
    app.router.add_get("/sandbox/saved", saved)
    app.router.add_get("/sandbox/transcripts", transcripts)
    app.router.add_get("/sandbox/model", model)


def _told(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
