"""What stands between bots and their controller and loses, refuses, delays and repeats what bots report."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

import aiohttp
from aiohttp import web

from tests.local.endings.site import Gate

Fate = Literal["passed", "lost", "unanswered", "busy", "unacceptable", "late", "twice"]

FATES: Final[Mapping[Fate, int]] = {
    "passed": 60,
    "lost": 10,
    "unanswered": 10,
    "busy": 8,
    "unacceptable": 2,
    "late": 5,
    "twice": 5,
}
"""How often each befalls a batch, in percent: `lost` on the way there, `unanswered` on the way back, reported
that the controller is `busy` (503), or that it will never take this batch (422), `late` by more than a bot
waits, and delivered `twice`."""

LATE_SECONDS: Final = (0.5, 8.0)
"""A bot waits for 5 s, and sends the batch again."""

OF_ONE_CONNECTION: Final = ("connection", "content-length", "host", "keep-alive", "transfer-encoding")


class BadChannel(Gate):
    """A proxy for requests, where the gate is one for connections.

    Attributes:
        fates: How many batches had which.
        counted: By launch, the totals in the last batch that the controller has counted.
    """

    def __init__(self, port: int, seed: str) -> None:
        super().__init__(port)
        self.fates: Counter[Fate] = Counter()
        self.counted: dict[str, dict[str, Any]] = {}
        self._controller = f"http://127.0.0.1:{port}"
        self._chance = random.Random(seed)  # noqa: S311 - chaos that can be repeated
        self._http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        server = web.Server(self._serve, access_log=None)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
        ) as self._http:
            listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
            async with listener:
                yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
                await server.shutdown(timeout=1)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if not request.path.endswith("/reports"):
            return await self._pass_on(request, body)
        [fate] = self._chance.choices(list(FATES), list(FATES.values()))
        self.fates[fate] += 1
        match fate:
            case "lost":
                return _broken(request)
            case "busy":
                return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
            case "unacceptable":
                return web.Response(status=HTTPStatus.UNPROCESSABLE_ENTITY)
            case "late":
                await asyncio.sleep(self._chance.uniform(*LATE_SECONDS))
            case "twice":
                await self._report(request, body)
            case "unanswered":
                await self._report(request, body)
                return _broken(request)
        return await self._report(request, body)

    async def _report(self, request: web.BaseRequest, body: bytes) -> web.Response:
        answer = await self._pass_on(request, body)
        report, launch_id = json.loads(body), request.path.split("/")[-2]
        known = self.counted.get(launch_id)
        if answer.status == HTTPStatus.OK and (known is None or known["seq"] < report["seq"]):
            self.counted[launch_id] = report
        return answer

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in OF_ONE_CONNECTION
        }
        try:
            async with self._http.request(
                request.method, self._controller + request.raw_path, data=body, headers=headers
            ) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), content_type=answer.content_type
                )
        except aiohttp.ClientError:
            return _broken(request)


def _broken(request: web.BaseRequest) -> web.Response:
    """The bot sees its connection reset."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=HTTPStatus.BAD_GATEWAY)
