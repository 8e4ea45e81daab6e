"""The ways in which the store can be ordered to misbehave, and the answers it then gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, assert_never

import msgspec
from aiohttp import web

from sandbox.misbehaviour import Misbehaviour, Orders

_HALF_AN_OBJECT: Final = b'{"success": true, "products": ['

_WRONG_SHAPE: Final = {
    "success": "perhaps",
    "products": {"number": "two"},
    "total": "many",
    "product": ["Trail running shoes"],
    "removed": 1,
    "alreadySaved": None,
}


class _OfStore(Misbehaviour, frozen=True, kw_only=True):
    """Applies to requests to this path, or to all; and of this user, or of all.

    A search names no user.
    """

    path: str | None = None
    user_id: str | None = None

    def applies_to(self, path: str, body: Any) -> bool:
        user_id = body.get("userId") if isinstance(body, dict) else None
        return self.path in (None, path) and self.user_id in (None, user_id)


class Slow(_OfStore, frozen=True, kw_only=True):
    """The request is served this many seconds later."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)]


class Fail(_OfStore, frozen=True, kw_only=True):
    """The request is not served, but answered with a status."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]


class Malformed(_OfStore, frozen=True):
    """The request is served, and answered with half of a JSON object."""


class WrongShape(_OfStore, frozen=True):
    """The request is served, and answered with values of kinds that nobody expects."""


class Hang(_OfStore, frozen=True):
    """The request is never answered."""


StoreMisbehaviour = Slow | Fail | Malformed | WrongShape | Hang
StoreOrders = Orders[StoreMisbehaviour]


def no_orders() -> StoreOrders:
    """A list of orders for the store, without any."""
    return Orders(StoreMisbehaviour)


async def answer_badly(misbehaviour: StoreMisbehaviour, answer: Callable[[], web.Response]) -> web.Response:
    """Answer as ordered; `answer` serves the request properly.

    A hanging handler is cancelled by the server once the client disconnects.
    """
    match misbehaviour:
        case Slow():
            await asyncio.sleep(misbehaviour.seconds)
            return answer()
        case Fail():
            sentence = "The store was ordered to fail."
            return web.json_response({"success": False, "error": sentence}, status=misbehaviour.status)
        case Malformed():
            answer()
            return web.Response(body=_HALF_AN_OBJECT, content_type="application/json")
        case WrongShape():
            answer()
            return web.json_response(_WRONG_SHAPE)
        case Hang():
            never: asyncio.Future[web.Response] = asyncio.get_running_loop().create_future()
            return await never
        case _:
            assert_never(misbehaviour)
