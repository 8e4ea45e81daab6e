"""Requests that never end, to make the controller keep them: refused before any key is looked at."""

from __future__ import annotations

import asyncio

from controller.web.http.limit_values import HttpLimits
from testing.fakes.controllers.served import ServeController
from testing.fakes.controllers.wire import GET, Answer, Wire, connected, keep_kernels_from_hoarding

LINE = b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
KB = 1024
FLOOD = 115 * KB * KB
MOST_TAKEN = 1024 * KB
"""What was read before the refusal, what was dropped after it, and what two kernels hold between sockets."""


def assert_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body["status"] == status
    assert answer.body["detail"]


async def test_115_mb_of_headers_are_refused_once_32_kb_were_read(serve: ServeController) -> None:
    async with serve() as controller:
        keep_kernels_from_hoarding(controller)
        async with connected(controller.url) as wire:
            await wire.send(LINE)
            sending = asyncio.create_task(wire.send_for_ever(b"A: " + b"x" * 1021 + b"\r\n", FLOOD))
            assert_refused(await wire.answer(), 431, "headers_too_large")
            assert await wire.is_closed()
            await sending
            assert wire.sent < MOST_TAKEN


TOO_MUCH = {
    "one value": b"A: " + b"x" * (33 * KB),
    "one name": b"A" * (33 * KB),
    "101 fields": b"".join(b"A%d: x\r\n" % number for number in range(101)),
    "101 empty fields": b"A:\r\n" * 101,
    "33 KB together": b"".join(b"A%d: " % number + b"x" * KB + b"\r\n" for number in range(33)),
    "cookies": b"Cookie: " + b"a=b; " * (7 * KB) + b"\r\n",
}


async def test_more_than_32_kb_or_100_fields_are_refused_at_any_port(serve: ServeController) -> None:
    async with serve() as controller:
        for url in (controller.url, controller.url_for_bots):
            for flood in TOO_MUCH.values():
                async with connected(url) as wire:
                    await wire.send(LINE + flood)
                    assert_refused(await wire.answer(), 431, "headers_too_large")
                    assert await wire.is_closed()


async def test_what_is_within_the_limits_is_answered(serve: ServeController) -> None:
    fields = b"".join(b"A%d: " % number + b"x" * 300 + b"\r\n" for number in range(98))
    path = b"/livez?" + b"x" * (8 * KB - 7)
    async with serve() as controller, connected(controller.url) as wire:
        for _ in range(3):
            await wire.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n")
            assert (await wire.answer()).status == 200


async def test_a_url_of_more_than_8_kb_is_refused(serve: ServeController) -> None:
    targets = (
        b"/livez?" + b"x" * (8 * KB),
        b"/" + b"%41" * (4 * KB),
        b"http://" + b"h" * (9 * KB) + b"/livez",
    )
    async with serve() as controller:
        for target in targets:
            async with connected(controller.url) as wire:
                await wire.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert_refused(await wire.answer(), 414, "url_too_long")
                assert await wire.is_closed()


async def test_a_url_of_40_mb_is_refused_before_it_has_come(serve: ServeController) -> None:
    async with serve() as controller:
        keep_kernels_from_hoarding(controller)
        async with connected(controller.url) as wire:
            await wire.send(b"GET /")
            sending = asyncio.create_task(wire.send_for_ever(b"x" * KB, 40 * KB * KB))
            assert_refused(await wire.answer(), 414, "url_too_long")
            assert await wire.is_closed()
            await sending
            assert wire.sent < MOST_TAKEN


async def test_empty_lines_before_a_request_are_no_way_around(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(b"\r\n" * (20 * KB))
        assert_refused(await wire.answer(), 431, "headers_too_large")


AROUND_A_BODY = {
    "101 trailers": b"2\r\n{}\r\n0\r\n" + b"".join(b"A%d: x\r\n" % number for number in range(101)) + b"\r\n",
    "an endless trailer": b"2\r\n{}\r\n0\r\nA: " + b"x" * (80 * KB),
    "an endless extension": b"2;" + b"x" * (80 * KB),
    "an extension": b"2;a=" + b"x" * (80 * KB) + b"\r\n{}\r\n0\r\n\r\n",
    "many extensions": (b"1;" + b"x" * 500 + b"\r\n \r\n") * 400,
}


async def test_trailers_and_chunk_extensions_count_as_well(serve: ServeController) -> None:
    async with serve() as controller:
        for rest in AROUND_A_BODY.values():
            async with connected(controller.url) as wire:
                await wire.send(CHUNKED + rest)
                assert_refused(await wire.answer(), 431, "headers_too_large")
                assert await wire.is_closed()


async def test_a_body_in_chunks_of_one_byte_is_taken(serve: ServeController) -> None:
    body = b'{"user_id": "ana"}' + b" " * 20_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(CHUNKED + chunks + b"0\r\nX-Trailer: kept out\r\n\r\n")
        assert (await wire.answer()).status == 201


async def test_a_body_without_end_is_answered_and_read_no_further(serve: ServeController) -> None:
    async with serve() as controller:
        keep_kernels_from_hoarding(controller)
        async with connected(controller.url) as wire:
            await wire.send(CHUNKED)
            chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
            sending = asyncio.create_task(wire.send_for_ever(chunk, FLOOD))
            answer = await wire.answer()
            assert (answer.status, answer.body["code"]) == (413, "body_too_large")
            assert await wire.is_closed()
            await sending
            assert wire.sent < MOST_TAKEN


async def test_the_limits_are_those_of_each_request_not_of_the_connection(serve: ServeController) -> None:
    big = LINE.replace(b"/v1/sessions", b"/livez") + (b"A: " + b"x" * KB + b"\r\n") * 30 + b"\r\n"
    async with serve() as controller, connected(controller.url) as wire:
        for _ in range(5):
            await wire.send(big)
            assert (await wire.answer()).status == 200


async def test_pipelined_requests_are_answered_in_order_and_no_more_than_a_few_are_kept(
    serve: ServeController,
) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(GET * 3)
        assert [(await wire.answer()).status for _ in range(3)] == [200, 200, 200]
        await wire.send_for_ever(GET * 10_000, wire.sent + 1)
        answers = await read_all(wire)
        assert 0 < answers <= HttpLimits().pipelined


async def test_a_pipelined_request_that_is_too_large_does_not_disturb_the_one_before(
    serve: ServeController,
) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(GET + LINE + b"A: " + b"x" * (40 * KB))
        assert (await wire.answer()).status == 200
        assert await wire.is_closed()


async def read_all(wire: Wire) -> int:
    """How many answers come until the connection is closed."""
    count = 0
    while not wire.reader.at_eof():
        try:
            await wire.answer()
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        count += 1
    return count
