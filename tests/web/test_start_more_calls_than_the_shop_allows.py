"""A stranger at the example web app's real server, who wants more calls than an address may start."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from testing.builds import web_example as example
from testing.leaving_out import leave_out
from testing.processes import Program, answers, free_port

HEADERS: Final = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Address", "X-Middleware-Next")
ALLOWED: Final = 10
"""Starts of one address in a minute."""


class Controller(BaseHTTPRequestHandler):
    """Starts a session for whoever asks."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(b"".join(self._chunks()))
        room = {"provider": "webrtc", "url": "http://controller.test/offer", "token": "token"}
        session = {"id": asked["session_id"], "user_id": asked["user_id"], "room": room}
        body = json.dumps(session).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunks(self) -> Iterator[bytes]:
        """Node's fetch states no length: RFC 9112, section 7.1."""
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def controller() -> Iterator[str]:
    try:
        example.build()
    except example.NodeUnavailableError as error:
        leave_out(str(error))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Controller)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def shop(directory: Path, controller: str, **variables: str) -> Iterator[int]:
    """The app's server, on the port that comes out."""
    port = free_port()
    program = Program.start(
        "shop",
        example.serve_command(port),
        directory,
        {"ORCHESTRATOR_URL": controller, "NEXT_TELEMETRY_DISABLED": "1", **variables},
    )
    try:
        program.wait_until(partial(answers, f"http://127.0.0.1:{port}/"))
        yield port
    finally:
        program.stop()


def start(port: int, headers: dict[str, str], *, chunked: bool = False) -> tuple[int, str | None]:
    """Ask for a call; the status, and the cookie that came with it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = iter([b"{", b"}"]) if chunked else b"{}"
        sent = {"Content-Type": "application/json", **headers}
        connection.request("POST", "/api/daily-room", body, sent, encode_chunked=chunked)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Set-Cookie")
    finally:
        connection.close()


def test_an_address_that_is_made_up_for_each_request_gets_nobody_further(
    tmp_path: Path, controller: str
) -> None:
    with shop(tmp_path, controller) as port:
        answers = [
            start(
                port,
                dict.fromkeys(
                    ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Address", "X-Middleware-Next"),
                    f"198.51.100.{count}",
                ),
            )
            for count in range(3 * ALLOWED)
        ]
    assert [status for status, _ in answers].count(200) == ALLOWED
    assert {cookie is not None for status, cookie in answers if status == 200} == {True}
    assert {cookie for status, cookie in answers if status != 200} == {None}


def test_behind_a_proxy_only_what_the_proxy_adds_counts(tmp_path: Path, controller: str) -> None:
    with shop(tmp_path, controller, TRUSTED_PROXIES="127.0.0.1") as port:
        forger = [
            start(port, {"X-Forwarded-For": f"198.51.100.{count}, 203.0.113.5"})[0]
            for count in range(2 * ALLOWED)
        ]
        others = [
            start(port, {"X-Forwarded-For": f"2001:db8:0:{count:x}::1"})[0] for count in range(ALLOWED + 2)
        ]
        in_one_network = [
            start(port, {"X-Forwarded-For": f"2001:db8:1:1::{count:x}"})[0] for count in range(2 * ALLOWED)
        ]
    assert forger.count(200) == ALLOWED
    assert others.count(200) == len(others)
    assert in_one_network.count(200) == ALLOWED


def test_odd_requests_are_refused_and_break_nothing(tmp_path: Path, controller: str) -> None:
    forged = "01234567-89ab-4cde-8f01-23456789abcd." + "\xc3\xa9" * 43
    with shop(tmp_path, controller) as port:
        assert start(port, {"Cookie": f"podline_user={forged}"})[0] == 200
        assert start(port, {}, chunked=True) == (413, None)
        assert start(port, {"Content-Type": "text/plain"}) == (415, None)
        assert start(port, {"Origin": "https://elsewhere.test"}) == (403, None)
        assert start(port, {"Origin": f"http://127.0.0.1:{port}"})[0] == 200
