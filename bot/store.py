"""HTTP client for the product backend: one JSON POST for each operation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import aiohttp
from pydantic import Field, TypeAdapter, ValidationError

T = TypeVar("T")

MAX_PRODUCTS: Final = 10
"""Callers don't want to hear more; the backend's `total` has the number of matches."""

_MAX_ANSWER_BYTES: Final = 1024 * 1024
_LONGEST: Final = {"name": 120, "category": 60, "currency": 8, "description": 200}


class StoreError(Exception):
    """A request to the backend failed. The message is for operators and contains no address."""


class RouteMissing(StoreError):  # noqa: N818 - named for what is wrong
    """The backend does not serve this route."""


class ProductUnknown(StoreError):  # noqa: N818 - likewise
    """There is no product with this number."""


@dataclass(frozen=True)
class Product:
    """A product as the model and the page see it. `number` is its number in the catalogue."""

    number: Annotated[int, Field(ge=1)]
    name: str
    category: str | None = None
    price: Annotated[float, Field(allow_inf_nan=False)] | None = None
    currency: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Found:
    """The first products of a search, and the total number of matches."""

    products: list[Product]
    total: int | None = None


@dataclass(frozen=True)
class Turn:
    """A finished turn. `role` is `user` or `assistant`, `at` an RFC 3339 time; `index` counts from 0."""

    index: int
    role: str
    text: str
    at: str


@dataclass(frozen=True)
class _Success:
    success: bool
    product: Product | None = None


@dataclass(frozen=True)
class _Refusal:
    success: bool


_FOUND: Final[TypeAdapter[Found | list[Product]]] = TypeAdapter(Found | list[Product])
_SUCCESS: Final = TypeAdapter(_Success)
_REFUSAL: Final = TypeAdapter(_Refusal)


@dataclass(frozen=True)
class StoreTimeouts:
    """How long a caller waits for the backend, and the pauses between attempts. In seconds."""

    connect: float = 2.0
    total: float = 5.0
    pauses: tuple[float, ...] = (0.2, 0.4)


class Store:
    """The product backend at `url`.

    Each request is idempotent: a search changes nothing, saving or removing a product twice has the same
    effect as once, and turns carry their index. Requests are retried if there was no connection or it broke,
    and on 429 and 5xx; never after the time limit, which all attempts share.
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, token: str | None, timeouts: StoreTimeouts | None = None
    ) -> None:
        """`token` is sent as a bearer with each request."""
        self._http = http
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeouts = timeouts or StoreTimeouts()

    async def search(self, query: str, category: str | None, price_range: str | None) -> Found:
        """Return the products that match.

        Raises:
            StoreError: No usable answer in time.
        """
        body = {"query": query, "category": category, "priceRange": price_range}
        answer = await self._ask("searchProductsByVoice", body)
        found = _decoded(answer, _FOUND)
        if isinstance(found, list):
            found = Found(found)
        total = len(found.products) if found.total is None else found.total
        return Found([_cut(product) for product in found.products[:MAX_PRODUCTS]], total)

    async def save(self, user_id: str, number: int) -> Product | None:
        """Add a product to the user's list; return it if the backend does.

        Raises:
            ProductUnknown: There is no product with this number.
            StoreError: No usable answer in time; the product may have been saved anyway.
        """
        return await self._change("saveProductByNumber", user_id, number)

    async def remove(self, user_id: str, number: int) -> Product | None:
        """Take a product off the user's list; return it if the backend does.

        Raises:
            ProductUnknown: There is no product with this number.
            StoreError: No usable answer in time; the product may have been removed anyway.
        """
        return await self._change("removeProductByNumber", user_id, number)

    async def save_transcript(self, session_id: str, user_id: str, turns: Sequence[Turn]) -> None:
        """Store these turns.

        Raises:
            RouteMissing: The backend keeps no transcripts.
            StoreError: No usable answer in time.
        """
        body = {"sessionId": session_id, "userId": user_id, "turns": [asdict(turn) for turn in turns]}
        _succeeded(await self._ask("saveTranscript", body))

    async def _change(self, route: str, user_id: str, number: int) -> Product | None:
        product = _succeeded(await self._ask(route, {"userId": user_id, "productNumber": number})).product
        return _cut(product) if product else None

    async def _ask(self, route: str, body: Mapping[str, Any]) -> bytes:
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._ask_repeatedly(f"{self._url}/{route}", json.dumps(body).encode())
        except TimeoutError:
            raise StoreError("no answer in time") from None

    async def _ask_repeatedly(self, url: str, body: bytes) -> bytes:
        for pause in self._timeouts.pauses:
            try:
                status, answer = await self._post(url, body)
            except aiohttp.ClientError:
                pass
            else:
                if not _will_pass(status):
                    return _accepted(status, answer)
            await asyncio.sleep(pause)
        try:
            return _accepted(*await self._post(url, body))
        except aiohttp.ClientError as error:
            raise StoreError(f"no connection ({type(error).__name__})") from None

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        limit = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect)
        async with self._http.post(
            url, data=body, headers=self._headers, timeout=limit, allow_redirects=False
        ) as response:
            answer = b""
            async for chunk in response.content.iter_chunked(64 * 1024):
                answer += chunk
                if len(answer) > _MAX_ANSWER_BYTES:
                    raise StoreError("the answer is too long")
            return response.status, answer


def _will_pass(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _accepted(status: int, answer: bytes) -> bytes:
    """Return the answer if its status is a success."""
    if status == HTTPStatus.OK:
        return answer
    if status == HTTPStatus.NOT_FOUND:
        # A backend that has the route answers 404 in its own JSON; a server without the route doesn't.
        try:
            _REFUSAL.validate_json(answer, strict=True)
        except ValidationError:
            raise RouteMissing("status 404, no such route") from None
        raise ProductUnknown("status 404, no such product")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise StoreError(
            f"status {status}, the backend does not accept CONVEX_TOKEN for this user and session"
        )
    raise StoreError(f"status {status}")


def _succeeded(answer: bytes) -> _Success:
    success = _decoded(answer, _SUCCESS)
    if not success.success:
        raise StoreError("the backend reports a failure")
    return success


def _decoded(answer: bytes, shape: TypeAdapter[T]) -> T:
    try:
        return shape.validate_json(answer, strict=True)
    except ValidationError:
        raise StoreError("the answer is malformed") from None


def _cut(product: Product) -> Product:
    """Cut the product's texts to a length that a voice can use."""
    texts = {name: getattr(product, name) for name in _LONGEST}
    short: dict[str, Any] = {
        name: text if text is None else text[: _LONGEST[name]] for name, text in texts.items()
    }
    return replace(product, **short)
