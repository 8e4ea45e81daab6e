"""A reverse proxy before the apiserver that lets tests break what goes through it."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from testing.cluster import commands
from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane
from testing.cluster.faults import (
    Delay,
    ErrorEvent,
    HalfOpen,
    Hold,
    Kind,
    ProxiedRequest,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
)
from testing.processes import free_ports

RESET = 0
"""Counted as the status of a request whose connection broke before there was one."""

OF_ONE_CONNECTION = (
    "Connection",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)
"""Headers that are not passed on."""


class FaultProxy:
    """Plain HTTP towards the client, the cluster's TLS towards the apiserver.

    Requests keep their own token; those with none get the proxy's. It serves in the loop that started it.
    """

    def __init__(self, plane: ControlPlane, token: str | None = None, seed: int = 0) -> None:
        self.faults: list[ProxyFault] = []
        self.counts: Counter[tuple[str, str, int]] = Counter()
        """How many requests there were, by method, resource and status."""
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = token or plane.admin_token
        self.kubeconfig: Path = commands.write_kubeconfig(
            plane.directory / f"proxy-{self.port}.kubeconfig", self.url, self.token
        )
        self._plane = plane
        self._chance = random.Random(seed)  # noqa: S311 - chaos that can be repeated
        self._watches: list[tuple[ProxiedRequest, web.BaseRequest]] = []
        self._silent: set[int] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._changed = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._plane.ssl_context(), limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.down()
        await self._server.shutdown()
        await self._client.close()

    async def up(self) -> None:
        """Listen, on the same port as before."""
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(self._server, "127.0.0.1", self.port)

    def down(self) -> None:
        """Listen no more, and break all connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.break_connections()

    def break_connections(self) -> None:
        """All that are open now, used or not."""
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def cut(self, matches: Callable[[ProxiedRequest], bool] = lambda _: True) -> None:
        """Break the watches that are open now."""
        for asked, request in list(self._watches):
            if matches(asked):
                abort(request)

    def silence_watches(self) -> None:
        """Let nothing more through the watches that are open now, nor end them: their clients must."""
        self._silent.update(id(request) for _, request in self._watches)

    def freeze(self) -> None:
        """Let nothing through that the apiserver says from now on; connections stay open."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let through what has piled up, and all that follows."""
        self._flows.set()

    def watches(self, resource: str) -> int:
        """How many are open on it."""
        return sum(asked.resource == resource for asked, _ in self._watches)

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until that is so of the counts, faults or watches."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not what():
                await self._changed.wait()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = ProxiedRequest(request.method, request.path, dict(request.query))
        kind = next((fault.kind for fault in self.faults if fault.strikes(asked, self._chance)), None)
        if isinstance(kind, Delay):
            await asyncio.sleep(kind.seconds)
        if isinstance(kind, Hold):
            self._announce()
            await kind.let_go.wait()
        if kind is None or isinstance(kind, Delay | Hold):
            return await self._forward(request, asked)
        return await self._break(kind, request, asked)

    async def _break(self, kind: Kind, request: web.BaseRequest, asked: ProxiedRequest) -> web.StreamResponse:
        match kind:
            case Refuse(status, _, _, retry_after):
                self._count(asked, status)
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                return web.json_response(kind.body(), status=status, headers=headers)
            case ErrorEvent():
                self._count(asked, 200)
                return web.json_response(text=json.dumps(kind.body()) + "\n")
            case HalfOpen():
                return await self._hang(request, asked)
            case ResetAfter():
                await self._carry_out(request)
                return self._reset(request, asked)
            case ResetBefore() | Delay() | Hold():
                return self._reset(request, asked)

    async def _hang(self, request: web.BaseRequest, asked: ProxiedRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if asked.watching:
            response.enable_chunked_encoding()
            await response.prepare(request)
        self._count(asked, 200 if asked.watching else RESET)
        with self._open_watch(asked, request):
            # Ends when the client or a test ends the connection.
            await asyncio.Event().wait()
        return response

    async def _carry_out(self, request: web.BaseRequest) -> None:
        async with self._ask(request) as answer:
            await answer.read()

    async def _forward(self, request: web.BaseRequest, asked: ProxiedRequest) -> web.StreamResponse:
        try:
            answer = await self._ask(request)
        except aiohttp.ClientError:
            return self._reset(request, asked)
        await self._flows.wait()
        self._count(asked, answer.status)
        try:
            async with answer:
                with self._open_watch(asked, request):
                    return await self._pass_on(answer, request)
        except aiohttp.ClientError:
            abort(request)
            return web.Response()

    async def _pass_on(self, answer: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
        """Chunk for chunk, as they come."""
        response = web.StreamResponse(status=answer.status, headers=passed_on(answer.headers))
        if answer.content_length is None:
            response.enable_chunked_encoding()
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await self._flows.wait()
            if id(request) not in self._silent:
                await response.write(chunk)
        if id(request) in self._silent:
            # Ends when the client does, or a test ends the connection.
            await asyncio.Event().wait()
        await response.write_eof()
        return response

    def _ask(self, request: web.BaseRequest) -> aiohttp.client._RequestContextManager:
        headers = passed_on(request.headers)
        headers.setdefault("Authorization", f"Bearer {self.token}")
        return self._client.request(
            request.method,
            self._plane.url + request.raw_path,
            headers=headers,
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    def _reset(self, request: web.BaseRequest, asked: ProxiedRequest) -> web.StreamResponse:
        self._count(asked, RESET)
        abort(request)
        return web.Response()

    @contextmanager
    def _open_watch(self, asked: ProxiedRequest, request: web.BaseRequest) -> Iterator[None]:
        if not asked.watching:
            yield
            return
        entry = (asked, request)
        self._watches.append(entry)
        self._announce()
        try:
            yield
        finally:
            self._watches.remove(entry)
            self._silent.discard(id(request))
            self._announce()

    def _count(self, asked: ProxiedRequest, status: int) -> None:
        self.counts[asked.method, asked.resource, status] += 1
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in OF_ONE_CONNECTION:
        kept.popall(name, None)
    return kept


def abort(request: web.BaseRequest) -> None:
    """The other side sees a reset."""
    if request.transport is not None:
        request.transport.abort()
