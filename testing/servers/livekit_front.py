"""A front of a real LiveKit server's API that answers in its stead, as often as a test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer


class Front:
    """Passes requests on, once `statuses` are used up.

    Attributes:
        statuses: what the next requests are answered with.
        asked: the methods of the API that were asked for, in order.
        loses_answers: how many of the next requests are passed on, and their answers lost.
    """

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.asked: list[str] = []
        self.loses_answers = 0


@contextlib.asynccontextmanager
async def front_of(url: str) -> AsyncIterator[Front]:
    front = Front()
    async with aiohttp.ClientSession(url.replace("ws:", "http:")) as client:

        async def answer(request: web.Request) -> web.StreamResponse:
            front.asked.append(request.path.rpartition("/")[2])
            if front.statuses:
                return web.json_response(
                    {"code": "unknown", "msg": "on demand"}, status=front.statuses.pop(0)
                )
            headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
            async with client.post(request.path, data=await request.read(), headers=headers) as response:
                if front.loses_answers:
                    front.loses_answers -= 1
                    assert request.transport is not None
                    request.transport.close()
                return web.Response(
                    body=await response.read(), status=response.status, content_type=response.content_type
                )

        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        async with TestServer(app) as server:
            front.url = str(server.make_url("/"))
            yield front
