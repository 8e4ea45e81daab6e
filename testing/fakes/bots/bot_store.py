"""The product backend as a bot sees it: four routes over a small catalogue, and faults on demand."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

KETTLE = {
    "number": 2,
    "name": "Kettle",
    "category": "Kitchen",
    "price": 89.0,
    "currency": "USD",
    "description": "Boils water.",
}

Fault = int | bytes | Literal["hang up", "hang", "pass"]
"""What to do with a request instead: a status, a body to answer with, no answer, or nothing at all."""


@dataclass(frozen=True)
class SeenRequest:
    """A request that came."""

    path: str
    body: Any
    authorization: str | None


class FakeStore:
    """Serves while its `async with` lasts.

    Attributes:
        faults: What to do with the next requests.
        faults_after: The same, once the request has had its effect.
        details: What an answer to a change has besides.
        gate: Changes wait here before they are made.
    """

    def __init__(self) -> None:
        self.requests: list[SeenRequest] = []
        self.saved: dict[str, set[int]] = {}
        self.turns: dict[int, dict[str, Any]] = {}
        self.products: list[dict[str, Any]] = [KETTLE]
        self.details: dict[str, Any] = {}
        self.faults: deque[Fault] = deque()
        self.faults_after: deque[Fault] = deque()
        self.keeps_transcripts = True
        self.gate = asyncio.Event()
        self.gate.set()
        self._closing = asyncio.Event()
        self._changed = asyncio.Condition()
        app = web.Application()
        app.router.add_post("/searchProductsByVoice", self._search)
        app.router.add_post("/saveProductByNumber", self._save)
        app.router.add_post("/removeProductByNumber", self._remove)
        app.router.add_post("/saveTranscript", self._transcript)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self.gate.set()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something the bot sent has made this true."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(holds)

    async def _search(self, request: web.Request) -> web.Response:
        await self._see(request)
        return await self._fault(request, self.faults) or web.json_response(
            {"products": self.products, "total": 17}
        )

    async def _save(self, request: web.Request) -> web.Response:
        return await self._change(request, set.add)

    async def _remove(self, request: web.Request) -> web.Response:
        return await self._change(request, set.discard)

    async def _change(self, request: web.Request, change: Callable[[set[int], int], None]) -> web.Response:
        body = await self._see(request)
        if fault := await self._fault(request, self.faults):
            return fault
        await self.gate.wait()
        product = next((one for one in self.products if one["number"] == body["productNumber"]), None)
        if product is None:
            return web.json_response({"success": False, "error": "no such product"}, status=404)
        change(self.saved.setdefault(body["userId"], set()), product["number"])
        await self._tell()
        return await self._fault(request, self.faults_after) or web.json_response(
            {"success": True, "product": product, **self.details}
        )

    async def _transcript(self, request: web.Request) -> web.Response:
        body = await self._see(request)
        if not self.keeps_transcripts:
            return web.Response(status=404, text="No matching routes found")
        if fault := await self._fault(request, self.faults):
            return fault
        for turn in body["turns"]:
            self.turns.setdefault(turn["index"], turn)
        await self._tell()
        return await self._fault(request, self.faults_after) or web.json_response({"success": True})

    async def _see(self, request: web.Request) -> Any:
        body = await request.json()
        self.requests.append(SeenRequest(request.path, body, request.headers.get("Authorization")))
        await self._tell()
        return body

    async def _fault(self, request: web.Request, faults: deque[Fault]) -> web.Response | None:
        if not faults:
            return None
        match faults.popleft():
            case int(status):
                return web.Response(status=status, text="Traceback: http://inside.example")
            case bytes(body):
                return web.Response(body=body)
            case "pass":
                return None
            case "hang":
                await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
