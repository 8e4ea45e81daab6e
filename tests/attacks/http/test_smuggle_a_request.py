"""Requests that two readers may understand differently: refused, and nothing behind them is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from testing.fakes.controllers.served import ServeController
from testing.fakes.controllers.wire import GET, connected, write_keys

POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
BODY = b'{"user_id": "ana"}'
SECOND = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
AMBIGUOUS = [
    POST + b"Content-Length: 18\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 18\r\n\r\n" + BODY,
    POST + b"Content-Length: 18\r\nContent-Length: 18\r\n\r\n" + BODY,
    POST + b"Content-Length: 18\r\nContent-Length: 0\r\n\r\n" + BODY,
    POST + b"Content-Length: 18, 18\r\n\r\n" + BODY,
    POST + b"Content-Length: +18\r\n\r\n" + BODY,
    POST + b"Content-Length: -18\r\n\r\n" + BODY,
    POST + b"Content-Length: 0x12\r\n\r\n" + BODY,
    POST + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    POST + b"Content-Length : 18\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: gzip\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    POST + b"A: b\r\n folded\r\n\r\n",
    POST + b"A: b\n\r\n",
    POST + b"A: b\x00c\r\n\r\n",
    POST + b"A: b\rc\r\n\r\n",
    POST + b"Host: elsewhere\r\n\r\n",
    CHUNKED + b"\r\n0x12\r\n" + BODY + b"\r\n0\r\n\r\n",
    CHUNKED + b"\r\n12 \r\n" + BODY + b"\r\n0\r\n\r\n",
    CHUNKED + b"\r\nfffffffffffffffff\r\n" + BODY,
    CHUNKED + b"\r\n12\r\n" + BODY + b"XX0\r\n\r\n",
    b"POST /v1/sessions HTTP/1.0\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/0.9\r\n\r\n",
    b"GET /livez\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: localhost\n\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


async def test_an_ambiguous_request_is_refused_and_the_connection_closed(serve: ServeController) -> None:
    async with serve() as controller:
        for each in AMBIGUOUS:
            async with connected(controller.url) as wire:
                await wire.send(each + SECOND)
                answer = await wire.answer()
                assert (answer.status, answer.body["code"]) == (400, "malformed_request"), each
                assert await wire.reader.read() == b"", each
        assert (await controller.client.get("/v1/sessions")).json()["sessions"] == []


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    ],
)
async def test_an_upgrade_is_answered_as_a_plain_request_and_nothing_follows_it(
    serve: ServeController, caplog: pytest.LogCaptureFixture, upgrade: bytes
) -> None:
    async with serve() as controller:
        caplog.clear()
        for _ in range(5):
            async with connected(controller.url) as wire:
                await wire.send(GET[:-2] + upgrade + b"\r\n" + GET)
                assert (await wire.answer()).status == 200
                assert await wire.reader.read() == b""
        assert caplog.records == []


async def test_nothing_after_connection_close_is_answered(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(GET[:-2] + b"Connection: close\r\n\r\n" + GET)
        assert (await wire.answer()).status == 200
        assert await wire.reader.read() == b""


async def test_http_1_0_is_answered_once(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert (await wire.answer()).status == 200
        assert await wire.reader.read() == b""


async def test_an_absolute_url_is_read_as_its_path(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url) as wire:
        await wire.send(b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await wire.answer()).status == 200


async def test_a_trailer_says_nothing_about_the_client(serve: ServeController, tmp_path: Path) -> None:
    settings = {
        "keys_file": write_keys(tmp_path),
        "public_start": True,
        "public_starts_per_minute": 1,
        "trusted_proxies": "127.0.0.1",
    }
    start = b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunks = b"Transfer-Encoding: chunked\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n2\r\n{}\r\n0\r\n"
    async with serve(**settings) as controller, connected(controller.url) as wire:
        await wire.send(start + chunks + b"\r\n")
        assert (await wire.answer()).status == 200
        await wire.send(start + chunks + b"X-Forwarded-For: 203.0.113.1\r\nAuthorization: Bearer x\r\n\r\n")
        assert (await wire.answer()).status == 429


async def test_nonsense_does_not_fill_the_log(
    serve: ServeController, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as controller:
        caplog.clear()
        for _ in range(50):
            async with connected(controller.url) as wire:
                await wire.send(b"nonsense\r\n\r\n")
                assert (await wire.answer()).status == 400
        assert caplog.records == []


async def test_an_unlisted_proxy_is_mentioned_once(
    serve: ServeController, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as controller:
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-For"):
            assert (await controller.client.get("/livez", headers={name: "203.0.113.1"})).status_code == 200
    [line] = [record for record in caplog.records if record.message == "forwarded by an unlisted peer"]
    assert line.levelname == "WARNING"
    assert line.__dict__["peer"] == "127.0.0.1"
    assert "PODLINE_TRUSTED_PROXIES" in line.__dict__["advice"]


async def test_a_listed_proxy_is_not(
    serve: ServeController, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async with serve(keys_file=write_keys(tmp_path), trusted_proxies="127.0.0.0/8") as controller:
        await controller.client.get("/livez", headers={"X-Forwarded-For": "203.0.113.1"})
    assert "forwarded by an unlisted peer" not in [record.message for record in caplog.records]
