"""The routes of Daily's REST API for rooms and meeting tokens.

https://docs.daily.co/reference/rest-api
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from sandbox.daily.behaviour import (
    DailyMalformed,
    DailyOrders,
    DailyRateLimit,
    DailySlow,
    DailyStatus,
    no_orders,
)
from sandbox.daily.limits import DELETIONS, MOST_REQUESTS, Window
from sandbox.daily.refusals import Refusal, invalid, too_many, unauthorized
from sandbox.daily.requests import CreateRoom, CreateToken, read_body
from sandbox.daily.rooms import MOST_LISTED, SandboxRooms
from sandbox.daily.tokens import make_token, read_token

PREFIX: Final = "/v1"
_HALF_AN_OBJECT: Final = b'{"id": "'
_Handle = Callable[[web.Request], Awaitable[Any]]


class DailyServer:
    """One domain at Daily: its key, its rooms, how often it was asked, and what is to go wrong there."""

    def __init__(self, key: str, now: Callable[[], float], clock: Callable[[], float]) -> None:
        """Args: now: The time of day, in seconds of Unix. clock: Seconds that only ever grow."""
        self.key = key
        self.now = now
        self.domain_id = str(uuid.uuid4())
        self.rooms = SandboxRooms(now)
        self.requests = Window(MOST_REQUESTS, clock)
        self.deletions = Window(DELETIONS, clock)
        self.orders: DailyOrders = no_orders()


def create_daily_app(daily: DailyServer) -> web.Application:
    """The web application that serves Daily's API, below `/v1`."""
    app = web.Application(middlewares=[_front(daily)])
    app.router.add_post(f"{PREFIX}/rooms", _create_room(daily))
    app.router.add_get(f"{PREFIX}/rooms", _list_rooms(daily))
    app.router.add_get(f"{PREFIX}/rooms/{{name}}", _get_room(daily))
    app.router.add_delete(f"{PREFIX}/rooms/{{name}}", _delete_room(daily))
    app.router.add_post(f"{PREFIX}/meeting-tokens", _create_token(daily))
    app.router.add_get(f"{PREFIX}/meeting-tokens/{{token}}", _validate_token(daily))
    return app


def _front(daily: DailyServer) -> Any:
    """What all requests pass: orders to misbehave, the key, the limits; and how refusals are answered."""

    @web.middleware
    async def front(request: web.Request, handler: _Handle) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        order = daily.orders.take(lambda order: order.applies_to(path))
        try:
            await _misbehave_before(order)
            _check_key(request, daily.key)
            _check_limits(request, daily)
            answer = await handler(request)
        except Refusal as refusal:
            return _refuse(refusal)
        except web.HTTPNotFound:
            return _refuse(Refusal(404, "not-found", f"{request.path} not found"))
        if isinstance(order, DailyMalformed):
            return web.Response(body=_HALF_AN_OBJECT, content_type="application/json")
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    return front


async def _misbehave_before(order: DailyStatus | DailySlow | DailyMalformed | DailyRateLimit | None) -> None:
    match order:
        case DailyStatus(status=status):
            raise Refusal(status, "server-error", "Daily was ordered to fail.")
        case DailyRateLimit():
            raise too_many(1)
        case DailySlow(seconds=seconds):
            await asyncio.sleep(seconds)


def _check_key(request: web.Request, key: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Refusal(400, "authorization-header-error", "bad Authorization header format")
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise unauthorized()


def _check_limits(request: web.Request, daily: DailyServer) -> None:
    window = daily.deletions if request.method == "DELETE" else daily.requests
    if (seconds := window.wait()) is not None:
        raise too_many(seconds)


def _refuse(refusal: Refusal) -> web.Response:
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return web.json_response(refusal.body, status=refusal.status, headers=headers)


def _create_room(daily: DailyServer) -> _Handle:
    async def create_room(request: web.Request) -> Any:
        return daily.rooms.create(read_body(await request.read(), CreateRoom, daily.now()))

    return create_room


def _list_rooms(daily: DailyServer) -> _Handle:
    async def list_rooms(request: web.Request) -> Any:
        query = request.query
        limit = query.get("limit", str(MOST_LISTED))
        if not limit.isdecimal() or int(limit) == 0:
            raise invalid(f"limit was '{limit}', which is no number above 0")
        return daily.rooms.list(int(limit), query.get("starting_after"), query.get("ending_before"))

    return list_rooms


def _get_room(daily: DailyServer) -> _Handle:
    async def get_room(request: web.Request) -> Any:
        return daily.rooms.get(request.match_info["name"])

    return get_room


def _delete_room(daily: DailyServer) -> _Handle:
    async def delete_room(request: web.Request) -> Any:
        name = request.match_info["name"]
        daily.rooms.delete(name)
        return {"deleted": True, "name": name}

    return delete_room


def _create_token(daily: DailyServer) -> _Handle:
    async def create_token(request: web.Request) -> Any:
        wanted = read_body(await request.read(), CreateToken, daily.now())
        return {"token": make_token(wanted.properties, daily.key, daily.domain_id, daily.now())}

    return create_token


def _validate_token(daily: DailyServer) -> _Handle:
    async def validate_token(request: web.Request) -> Any:
        return read_token(request.match_info["token"], daily.key, daily.now())

    return validate_token
