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

from podline.contract.text import printable

T = TypeVar("T")

MAX_PRODUCTS: Final = 10
"""Callers don't want to hear more; the backend's `total` has the number of matches."""

_MAX_ANSWER_BYTES: Final = 1024 * 1024
_LONGEST: Final = {"name": 120, "category": 60, "currency": 8, "description": 200}
_LARGEST: Final = 2**53
"""The largest whole number that JavaScript keeps exact."""

_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The errors of a request that never left this machine."""


class StoreError(Exception):
    """A request to the backend failed. The message is for operators and contains no address.

    Attributes:
        is_unsettled: True if the request may have had its effect all the same.
        may_pass: True if the same request may succeed a few seconds later.
    """

    def __init__(self, message: str, *, is_unsettled: bool = False, may_pass: bool = False) -> None:
        super().__init__(message)
        self.is_unsettled = is_unsettled
        self.may_pass = may_pass


class RouteMissing(StoreError):  # noqa: N818 - named for what is wrong
    """The backend does not serve this route."""


class ProductUnknown(StoreError):  # noqa: N818 - likewise
    """There is no product with this number."""


@dataclass(frozen=True)
class Product:
    """A product as the model and the page see it. `number` is its number in the catalogue."""

    number: Annotated[int, Field(ge=1, le=_LARGEST)]
    name: str
    category: str | None = None
    price: Annotated[float, Field(allow_inf_nan=False)] | None = None
    currency: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Found:
    """The first products of a search, and the total number of matches."""

    products: list[Product]
    total: Annotated[int, Field(ge=0, le=_LARGEST)] | None = None


@dataclass(frozen=True)
class Changed:
    """A change of a user's list that has been made.

    Attributes:
        product: The product, if the backend returns it.
        is_repeat: True if the list was already as requested.
    """

    product: Product | None
    is_repeat: bool


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
    alreadySaved: Any = None  # noqa: N815 - the backend's spelling
    removed: Any = None  # of any type: a change that was made is not to fail over a detail


@dataclass(frozen=True)
class _Refusal:
    success: bool


_FOUND: Final[TypeAdapter[Found | list[Product]]] = TypeAdapter(Found | list[Product])
_SUCCESS: Final = TypeAdapter(_Success)
_REFUSAL: Final = TypeAdapter(_Refusal)


@dataclass(frozen=True)
class _Answer:
    """A successful response. `is_first` is False if an earlier attempt may have had the request's effect."""

    body: bytes
    is_first: bool


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
        found = _decoded(answer.body, _FOUND)
        if isinstance(found, list):
            found = Found(found)
        total = len(found.products) if found.total is None else found.total
        return Found([_cut(product) for product in found.products[:MAX_PRODUCTS]], total)

    async def save(self, user_id: str, number: int) -> Changed:
        """Add a product to the user's list.

        Raises:
            ProductUnknown: There is no product with this number.
            StoreError: No usable answer in time.
        """
        success, is_first = await self._change("saveProductByNumber", user_id, number)
        return _changed(success, is_repeat=is_first and success.alreadySaved is True)

    async def remove(self, user_id: str, number: int) -> Changed:
        """Take a product off the user's list.

        Raises:
            ProductUnknown: There is no product with this number.
            StoreError: No usable answer in time.
        """
        success, is_first = await self._change("removeProductByNumber", user_id, number)
        return _changed(success, is_repeat=is_first and success.removed is False)

    async def save_transcript(self, session_id: str, user_id: str, turns: Sequence[Turn]) -> None:
        """Store these turns.

        Raises:
            RouteMissing: The backend keeps no transcripts.
            StoreError: No usable answer in time.
        """
        body = {"sessionId": session_id, "userId": user_id, "turns": [asdict(turn) for turn in turns]}
        _succeeded(await self._ask("saveTranscript", body))

    async def _change(self, route: str, user_id: str, number: int) -> tuple[_Success, bool]:
        answer = await self._ask(route, {"userId": user_id, "productNumber": number})
        return _succeeded(answer), answer.is_first

    async def _ask(self, route: str, body: Mapping[str, Any]) -> _Answer:
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._ask_repeatedly(f"{self._url}/{route}", json.dumps(body).encode())
        except TimeoutError:
            raise StoreError("no answer in time", is_unsettled=True, may_pass=True) from None

    async def _ask_repeatedly(self, url: str, body: bytes) -> _Answer:
        is_unsettled, problem = False, ""
        for pause in (*self._timeouts.pauses, None):
            try:
                status, answer = await self._post(url, body)
            except aiohttp.ClientError as error:
                is_unsettled = is_unsettled or not isinstance(error, _NEVER_SENT)
                problem = f"no connection ({type(error).__name__})"
            else:
                if not _will_pass(status):
                    return _Answer(_accepted(status, answer, is_unsettled=is_unsettled), not is_unsettled)
                is_unsettled = is_unsettled or status != HTTPStatus.TOO_MANY_REQUESTS
                problem = f"status {status}"
            if pause is not None:
                await asyncio.sleep(pause)
        raise StoreError(problem, is_unsettled=is_unsettled, may_pass=True)

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        limit = aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect)
        async with self._http.post(
            url, data=body, headers=self._headers, timeout=limit, allow_redirects=False
        ) as response:
            answer = b""
            async for chunk in response.content.iter_chunked(64 * 1024):
                answer += chunk
                if len(answer) > _MAX_ANSWER_BYTES:
                    raise StoreError("the answer is too long", is_unsettled=True)
            return response.status, answer


def _will_pass(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _accepted(status: int, answer: bytes, *, is_unsettled: bool) -> bytes:
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
            f"status {status}, the backend does not accept CONVEX_TOKEN for this user and session",
            is_unsettled=is_unsettled,
        )
    raise StoreError(f"status {status}", is_unsettled=is_unsettled)


def _succeeded(answer: _Answer) -> _Success:
    success = _decoded(answer.body, _SUCCESS)
    if not success.success:
        raise StoreError("the backend reports a failure", is_unsettled=not answer.is_first, may_pass=True)
    return success


def _changed(success: _Success, *, is_repeat: bool) -> Changed:
    return Changed(_cut(success.product) if success.product else None, is_repeat)


def _decoded(answer: bytes, shape: TypeAdapter[T]) -> T:
    try:
        return shape.validate_json(answer, strict=True)
    except ValidationError:
        raise StoreError("the answer is malformed", is_unsettled=True) from None


def _cut(product: Product) -> Product:
    """Cut the product's texts to a length that a voice can use, on one line each."""
    texts = {name: getattr(product, name) for name in _LONGEST}
    short: dict[str, Any] = {
        name: text if text is None else printable(text, _LONGEST[name]) for name, text in texts.items()
    }
    return replace(product, **short)
