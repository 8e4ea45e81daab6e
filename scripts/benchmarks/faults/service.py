"""The Service in front of the controllers: connections in turn to those that are ready.

As kube-proxy does it: a connection stays where it is until one side ends it. A controller is ready once
`/readyz` says so, asked every second as a kubelet does; no longer when it failed twice, or its process ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self, cast

import aiohttp

from scripts.benchmarks.faults.lines import LineLog
from testing.processes import free_port

PERIOD_SECONDS: Final = 1.0
FAILURES: Final = 2
_MOST_BUFFERED: Final = 1 << 20


@dataclass(eq=False)
class Backend:
    """One controller, as the Service sees it."""

    name: str
    callers_port: int
    bots_port: int
    is_ready: bool = False
    failures: int = 0


@dataclass(eq=False)
class _End(asyncio.Protocol):
    """One side of a connection; what it receives goes to the other side."""

    front: LoadBalancer
    other: _End | None = None
    transport: asyncio.Transport | None = None
    waiting: list[bytes] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.front.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.front.is_mute:
            return
        if self.other is None or self.other.transport is None:
            self.waiting.append(data)
            return
        self.other.transport.write(data)
        if self.transport is not None and self.other.transport.get_write_buffer_size() > _MOST_BUFFERED:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the Protocol's
        self.front.closed(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class LoadBalancer:
    """One port of the Service."""

    def __init__(self, service: Service, *, is_for_bots: bool) -> None:
        self.port = free_port()
        self.is_mute = False
        self._service = service
        self._is_for_bots = is_for_bots
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(self._accept, "127.0.0.1", self.port, backlog=4096)

    def close(self) -> None:
        """Listen no more, and break what is open."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.break_connections()

    def break_connections(self) -> None:
        for end in list(self._ends):
            if end.transport is not None:
                end.transport.abort()

    def mute(self) -> None:
        """Swallow what is sent on any connection; none is broken."""
        self.is_mute = True

    def unmute(self) -> None:
        """Connections that lost something can't go on."""
        self.is_mute = False
        self.break_connections()

    def opened(self, end: _End) -> None:
        self._ends.add(end)
        if end.other is None:
            task = asyncio.get_running_loop().create_task(self._connect(end))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def closed(self, end: _End) -> None:
        self._ends.discard(end)

    def _accept(self) -> _End:
        return _End(self)

    async def _connect(self, client: _End) -> None:
        backend = self._service.next_ready()
        server = _End(self, client)
        try:
            if backend is None:
                raise ConnectionRefusedError
            port = backend.bots_port if self._is_for_bots else backend.callers_port
            await asyncio.get_running_loop().create_connection(lambda: server, "127.0.0.1", port)
        except OSError:
            if client.transport is not None:
                client.transport.abort()
            return
        client.other = server
        if server.transport is not None:
            if client.transport is None or client.transport.is_closing():
                server.transport.close()
                return
            for data in client.waiting:
                server.transport.write(data)
        client.waiting.clear()


class Service:
    """Both ports, and who is ready. Use it while its `async with` lasts."""

    def __init__(self, backends: Sequence[Backend], log: LineLog) -> None:
        self.backends = backends
        self.callers = LoadBalancer(self, is_for_bots=False)
        self.bots = LoadBalancer(self, is_for_bots=True)
        self._log = log
        self._turn = 0
        self._probing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=PERIOD_SECONDS),
            connector=aiohttp.TCPConnector(force_close=True),
        )
        await self.callers.open()
        await self.bots.open()
        self._probing = [asyncio.create_task(self._probe(each)) for each in self.backends]
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._probing:
            each.cancel()
        await asyncio.gather(*self._probing, return_exceptions=True)
        self.callers.close()
        self.bots.close()
        await self._http.close()

    def next_ready(self) -> Backend | None:
        ready = [each for each in self.backends if each.is_ready]
        self._turn += 1
        return ready[self._turn % len(ready)] if ready else None

    def ended(self, backend: Backend) -> None:
        """Its process has: a kubelet sees that at once."""
        self._decide(backend, is_ready=False)

    async def until_ready(self) -> None:
        """Wait until every controller is."""
        while not all(each.is_ready for each in self.backends):  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.1)

    async def _probe(self, backend: Backend) -> None:
        url = f"http://127.0.0.1:{backend.bots_port}/readyz"
        while True:
            is_ready = False
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._http.get(url) as answer:
                    is_ready = answer.status == 200
            backend.failures = 0 if is_ready else backend.failures + 1
            if is_ready or backend.failures >= FAILURES:
                self._decide(backend, is_ready=is_ready)
            await asyncio.sleep(PERIOD_SECONDS)

    def _decide(self, backend: Backend, *, is_ready: bool) -> None:
        if backend.is_ready != is_ready:
            backend.is_ready = is_ready
            self._log.write("readiness", replica=backend.name, is_ready=is_ready)
