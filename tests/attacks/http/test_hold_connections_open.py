"""Connections that are opened and left, or fed a byte at a time: each is closed, and few may be open."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.web.http.connections import Admission, Connections
from controller.web.http.limit_values import HttpLimits
from controller.web.http.listeners import Complaints, SocketListener
from testing.fakes.controllers.served import PATIENCE_SECONDS, ServeController
from testing.fakes.controllers.wire import GET, Wire, connected, keep_kernels_from_hoarding, write_keys

LIMITS = HttpLimits(
    head_seconds=0.5, body_seconds=0.5, stranger_idle_seconds=0.5, stall_seconds=0.5, linger_seconds=0.2
)
POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
KEY = b"Authorization: Bearer reader\r\n"
EVENTS = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n"


@contextlib.asynccontextmanager
async def many(url: str, number: int) -> AsyncIterator[list[Wire]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(url)) for _ in range(number)]


async def trickle(wire: Wire, data: bytes) -> None:
    """A byte at a time, for as long as there is somebody to take it."""
    with contextlib.suppress(ConnectionError):
        for byte in data:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.02)


async def test_a_request_that_is_never_finished_ends_with_408(serve: ServeController) -> None:
    begun = (b"G", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA", b"\r\n")
    async with serve(limits=LIMITS) as controller, many(controller.url, len(begun)) as wires:
        for wire, part in zip(wires, begun, strict=True):
            await wire.send(part)
        for wire in wires:
            answer = await wire.answer()
            assert (answer.status, answer.body["code"]) == (408, "request_timeout")
            assert await wire.is_closed()


async def test_headers_that_come_a_byte_at_a_time_gain_no_time(serve: ServeController) -> None:
    async with serve(limits=LIMITS) as controller, connected(controller.url) as wire:
        trickling = asyncio.create_task(trickle(wire, b"GET /livez HTTP/1.1\r\nA: " + b"x" * 100_000))
        assert (await wire.answer()).status == 408
        assert await wire.is_closed()
        await trickling


async def test_a_body_that_comes_a_byte_at_a_time_gains_no_time(serve: ServeController) -> None:
    bodies = (b"Content-Length: 60000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffff\r\n")
    async with serve(limits=LIMITS) as controller:
        for body in bodies:
            async with connected(controller.url) as wire:
                await wire.send(POST + body)
                trickling = asyncio.create_task(trickle(wire, b" " * 50_000))
                answer = await wire.answer()
                assert (answer.status, answer.body["code"]) == (408, "request_timeout")
                assert await wire.is_closed()
                await trickling
        assert (await controller.client.get("/v1/sessions")).json()["sessions"] == []


async def test_half_of_a_request_starts_and_stops_nothing(serve: ServeController) -> None:
    async with serve(limits=LIMITS) as controller:
        session = await controller.start()
        for half in (
            b"DELETE /v1/sessions/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
            b"DELETE /v1/sessions/%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            async with connected(controller.url) as wire:
                await wire.send(half % session["id"].encode())
                assert (await wire.answer()).status in (400, 408)
        assert (await controller.client.get(f"/v1/sessions/{session['id']}")).json()["phase"] != "stopping"


async def test_a_second_request_on_a_connection_has_the_same_time(serve: ServeController) -> None:
    async with serve(limits=LIMITS) as controller, connected(controller.url) as wire:
        await wire.send(GET)
        assert (await wire.answer()).status == 200
        await wire.send(b"GET /livez HT")
        assert (await wire.answer()).status == 408


async def test_idle_connections_are_closed(serve: ServeController) -> None:
    async with (
        serve(limits=LIMITS) as controller,
        connected(controller.url) as silent,
        connected(controller.url) as used,
    ):
        await used.send(GET)
        assert (await used.answer()).status == 200
        assert await used.is_closed()
        assert await silent.is_closed()


async def test_streams_and_waiting_requests_are_not_idle(serve: ServeController) -> None:
    async with serve(limits=LIMITS) as controller, connected(controller.url) as wire:
        await wire.send(EVENTS + b"\r\n")
        await wire.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(4 * LIMITS.head_seconds)
        session = await controller.start()
        async with asyncio.timeout(10):
            await wire.reader.readuntil(session["id"].encode())


async def test_a_client_that_reads_nothing_is_cut_off(serve: ServeController) -> None:
    settings = {"capacity": 60, "sessions_per_user": 60, "limits": LIMITS}
    async with serve(command=("/bin/sleep", "600"), **settings) as controller:
        for _ in range(60):
            await controller.start(metadata={"x": "y" * 4000})
        keep_kernels_from_hoarding(controller)
        async with connected(controller.url) as wire:
            wire.reading.pause_reading()
            await wire.send(b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while controller.server.server_state.connections:  # noqa: ASYNC110 - seen from outside only
                    await asyncio.sleep(0.05)
            wire.reading.resume_reading()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await wire.answer()


async def test_one_address_has_64_connections_and_the_others_are_told_why(serve: ServeController) -> None:
    async with serve() as controller, many(controller.url, 64) as wires:
        await asyncio.gather(*(wire.send(GET[:20]) for wire in wires))
        async with connected(controller.url) as refused:
            answer = await refused.answer()
            assert (answer.status, answer.body["code"]) == (429, "too_many_connections")
            assert "retry-after" in answer.headers
            assert await refused.is_closed()
        # Each that closes makes room for another.
        wires[0].writer.transport.abort()
        async with asyncio.timeout(10):
            while True:
                async with connected(controller.url) as another:
                    await another.send(GET)
                    if (await another.answer()).status == 200:
                        break


async def test_whoever_has_shown_a_valid_key_counts_no_longer(serve: ServeController, tmp_path: Path) -> None:
    keys = write_keys(tmp_path, reader=["read"])
    async with (
        serve(keys_file=keys, connections_per_address=4) as controller,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(12):
            wire = await stack.enter_async_context(connected(controller.url))
            await wire.send(EVENTS + KEY + b"\r\n")
            assert b" 200 " in await wire.reader.readline()
        strangers = [await stack.enter_async_context(connected(controller.url)) for _ in range(4)]
        for wire in strangers:
            await wire.send(EVENTS + b"Authorization: Bearer wrong\r\n\r\n")
            assert (await wire.answer()).status == 401
        async with connected(controller.url) as refused:
            assert (await refused.answer()).status == 429


async def test_a_key_that_lives_in_browsers_lifts_no_limit(serve: ServeController, tmp_path: Path) -> None:
    keys = write_keys(tmp_path, page=["public_start"])
    async with (
        serve(keys_file=keys, connections_per_address=4) as controller,
        many(controller.url, 4) as wires,
    ):
        for wire in wires:
            await wire.send(EVENTS + b"Authorization: Bearer page\r\n\r\n")
            assert (await wire.answer()).status == 403
        async with connected(controller.url) as refused:
            assert (await refused.answer()).status == 429


async def test_the_total_is_limited_as_well(serve: ServeController) -> None:
    async with (
        serve(max_connections=8) as controller,
        many(controller.url, 8) as wires,
    ):
        for wire in wires:
            await wire.send(EVENTS + b"\r\n")
            await wire.reader.readuntil(b"\r\n\r\n")
        async with connected(controller.url) as refused:
            answer = await refused.answer()
            assert (answer.status, answer.body["code"]) == (503, "connections_exhausted")


async def test_whoever_asks_something_takes_the_place_of_whoever_holds_a_connection_for_nothing(
    serve: ServeController,
) -> None:
    async with serve(max_connections=8) as controller, many(controller.url, 8) as wires:
        for wire in wires[:4]:
            await wire.send(GET[:20])
        for _ in range(20):
            async with connected(controller.url) as asking:
                await asking.send(GET)
                assert (await asking.answer()).status == 200
        assert await wires[4].is_closed()


@pytest.mark.parametrize("half", [GET[:20], POST + b"Content-Length: 100\r\n\r\n{"], ids=["head", "body"])
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"], ids=["directly", "by a proxy"])
async def test_whoever_asks_something_takes_the_place_of_whoever_sends_half_a_request(
    serve: ServeController, tmp_path: Path, half: bytes, proxies: str
) -> None:
    settings = {"keys_file": write_keys(tmp_path), "trusted_proxies": proxies, "max_connections": 8}
    async with serve(**settings) as controller, many(controller.url, 8) as wires:
        for wire in wires:
            await wire.send(half)
        for _ in range(3):
            async with connected(controller.url) as asking:
                await asking.send(GET)
                assert (await asking.answer()).status == 200


async def test_an_idle_connection_of_a_proxy_is_not_given_up_for_another(
    serve: ServeController, tmp_path: Path
) -> None:
    settings = {"keys_file": write_keys(tmp_path), "trusted_proxies": "127.0.0.1", "max_connections": 2}
    async with serve(**settings) as controller, many(controller.url, 2) as wires:
        for wire in wires:
            await wire.send(GET)
            assert (await wire.answer()).status == 200
        async with connected(controller.url) as asking:
            await asking.send(GET)
            assert (await asking.answer()).status == 503
        for wire in wires:
            await wire.send(GET)
            assert (await wire.answer()).status == 200


async def test_a_stream_ends_with_its_connection_also_when_requests_wait_behind_it(
    serve: ServeController, tmp_path: Path
) -> None:
    keys = write_keys(tmp_path, reader=["read"])
    async with serve(keys_file=keys) as controller:
        for behind in (b"", GET, POST + b"Content-Length: 9\r\n\r\n{"):
            async with connected(controller.url) as wire:
                await wire.send(EVENTS + KEY + b"\r\n")
                assert (await wire.answer()).status == 200
                await wire.send(behind)
                await asyncio.sleep(0.1)
                for each in controller.server.server_state.connections:
                    each.transport.abort()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while controller.server.server_state.tasks:  # noqa: ASYNC110 - seen from outside only
                    await asyncio.sleep(0.01)


async def test_a_trusted_proxy_has_the_total_limit_only(serve: ServeController, tmp_path: Path) -> None:
    keys = write_keys(tmp_path)
    async with (
        serve(keys_file=keys, trusted_proxies="127.0.0.1", connections_per_address=4) as controller,
        many(controller.url, 12) as wires,
    ):
        for wire in wires:
            await wire.send(GET)
            assert (await wire.answer()).status == 200


async def test_refusals_are_counted(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(b"nonsense\r\n\r\n")
        assert (await wire.answer()).status == 400
        shown = (await controller.client.get("/metrics")).text
        assert 'podline_connection_refusals_total{code="malformed_request"} 1.0' in shown


class NoDescriptorLeft(socket.socket):
    """A listening socket of a process that may open nothing more."""

    tries = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.tries += 1
        raise OSError(errno.EMFILE, "Too many open files")


def unserved(_: Admission) -> asyncio.Protocol:
    return asyncio.Protocol()


async def test_without_descriptors_accepting_pauses_and_the_log_gets_one_line_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listening = NoDescriptorLeft()
    listening.bind(("127.0.0.1", 0))
    listening.settimeout(0)
    listener = SocketListener(
        "public", [listening], Connections(9), unserved, Complaints(time.monotonic), print, bool
    )
    listener.open()
    with socket.create_connection(listening.getsockname()):
        await asyncio.sleep(0.8)
    listener.close()
    assert 1 <= listening.tries <= 2
    assert [record.message for record in caplog.records] == ["connections not accepted"]
