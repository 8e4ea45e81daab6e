"""Attacks by a controller, or by whoever speaks in its place, on the terminal, the memory and the key."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from podline_cli.answers import SessionAnswer
from podline_cli.client import Client, Patience
from podline_cli.durations import utc_now
from podline_cli.errors import CommandError, ExitCode
from podline_cli.pictures import picture
from podline_cli.target import ChosenController
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import Answer, FakeApi, agent, cloud_error, problem, serve, session

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x85\u202eevil\u2066\x00\r\x08\ufeff[red]:bomb:"
KEY = "key-of-the-operator"
SECRETS = "/v1/organizations/podline/secrets"


def is_safe(text: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in text)


def poisoned(value: Any) -> Any:
    """Put escape sequences into every text of a value, names included, but those that have a fixed form."""
    if isinstance(value, dict):
        return {
            f"{name}{EVIL}" if name in ("gemini-live", "search_products", "image") else name: (
                part if name in ("timeline", "created_at", "deployed_at") else poisoned(part)
            )
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [poisoned(part) for part in value]
    return f"{value}{EVIL}" if isinstance(value, str) else value


FAILED = session(
    phase="failed",
    reason="crashed",
    persona="brief",
    diagnostics={
        "events": ["BackoffLimitExceeded: x"],
        "log": ["Traceback (most recent call last):", "E: x"],
    },
)


@pytest.mark.parametrize(
    "command",
    [
        ("ps", "--all"),
        ("show", "cart-7f3a"),
        ("logs", "cart-7f3a"),
        ("stop", "cart-7f3a"),
        ("usage", "--by", "model"),
        ("usage", "--by", "user"),
        ("agents",),
        ("agent", "shopping"),
        ("rollback", "shopping"),
        ("secrets", "list"),
        ("secrets", "list", "keys"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_field_reaches_a_terminal_as_an_escape_sequence(
    at: Podline, api: FakeApi, command: tuple[str, ...], form: str
) -> None:
    evil, shop = poisoned(FAILED), poisoned(agent(problem="p", notes=["n"], defined_by="f"))
    path = "/v1/sessions/cart-7f3a"
    api.answers = {
        ("GET", "/v1/sessions"): Answer(body={"sessions": [evil], "next_cursor": None}),
        ("GET", path): Answer(body=evil),
        ("DELETE", path): Answer(body=evil),
        ("GET", f"{path}/logs"): Answer(body=f"{EVIL}\n{json.dumps(poisoned({'event': 'x'}))}\n".encode()),
        ("GET", "/v1/agents"): Answer(body={"agents": [shop]}),
        ("GET", "/v1/agents/shopping"): Answer(body=shop | {"versions": [shop["version"]]}),
        ("POST", "/v1/agents/shopping/rollback"): Answer(body=shop | {"problem": None}),
        ("GET", SECRETS): Answer(body={"sets": [poisoned({"name": "keys", "type": "odd"})]}),
        ("GET", f"{SECRETS}/keys"): Answer(body={"secrets": [poisoned({"fieldName": "A"})]}),
    }
    outcome = at(*command, "-o", form)

    assert outcome.code == ExitCode.OK
    assert "evil" in outcome.out
    assert is_safe(outcome.out)
    assert is_safe(outcome.err)


def test_json_keeps_what_it_makes_harmless(at: Podline, api: FakeApi) -> None:
    api.sessions = [session(metadata={"x": EVIL, "y": "\x7f\U000e0001\U0001f600"})]

    assert json.loads(at("show", "cart-7f3a", "-o", "json").out) == api.sessions[0]


def test_a_drawn_call_has_only_the_drawing_s_own_escape_sequences() -> None:
    evil = poisoned(FAILED)
    console = Console(force_terminal=True, width=100, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(picture(SessionAnswer.model_validate(evil), utc_now(), 100))
    drawn = re.sub(r"\x1b\[[\d;]*m", "", capture.get())

    assert is_safe(drawn)
    assert "[red]:bomb:" in drawn


@pytest.mark.parametrize("form", [problem, cloud_error])
def test_an_error_s_sentence_is_made_safe(
    at: Podline, api: FakeApi, form: Callable[[int, str, str], Answer]
) -> None:
    api.answers["GET", "/v1/agents"] = form(503, "x", f"a{EVIL}\nb" + "c" * 100_00)
    outcome = at("agents")

    assert is_safe(outcome.err)
    assert len(outcome.err) < 2500


def test_a_redirect_is_not_followed_and_takes_no_key_along(at: Podline, api: FakeApi) -> None:
    with serve(FakeApi()) as other:
        location = f"{other.url}/v1/agents"
        api.answers["GET", "/v1/agents"] = Answer(307, headers={"Location": f"{location}#\x85{EVIL[-5:]}"})
        outcome = at("agents", PODLINE_KEY=KEY)

        assert other.seen == []
    assert outcome.code == ExitCode.UNREACHABLE
    assert location in outcome.err
    assert is_safe(outcome.err)


def test_a_proxy_of_the_environment_sees_nothing_for_this_machine(at: Podline) -> None:
    with serve(FakeApi()) as proxy:
        outcome = at("agents", HTTP_PROXY=proxy.url, http_proxy=proxy.url, ALL_PROXY=proxy.url, NO_PROXY="")

        assert (outcome.code, proxy.seen) == (ExitCode.OK, [])


@pytest.mark.parametrize("status", [200, 500])
def test_a_huge_answer_is_not_read_to_its_end(at: Podline, api: FakeApi, status: int) -> None:
    api.answers["GET", "/v1/agents"] = Answer(status, b" " * 40 * 1024 * 1024)
    outcome = at("agents")

    assert outcome.code == ExitCode.UNREACHABLE
    assert "more than" in outcome.err


def test_a_compressed_answer_is_not_unpacked(at: Podline, api: FakeApi) -> None:
    api.answers["GET", "/v1/agents"] = Answer(200, b"\x1f\x8b" + b"x" * 100, {"Content-Encoding": "gzip"})

    assert at("agents").code == ExitCode.UNREACHABLE
    assert api.seen[0].headers["accept-encoding"] == "identity"


def test_pages_that_go_round_in_circles_are_left(at: Podline, api: FakeApi) -> None:
    api.answers["GET", "/v1/sessions"] = Answer(body={"sessions": [session()], "next_cursor": "again"})

    assert at("ps", "--all").out.count("cart-7f3a") == 1


@contextmanager
def drip(piece: bytes) -> Iterator[str]:
    """Serve an answer that never ends, piece by piece as fast as it is read."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                    while True:
                        connection.sendall(piece)
                except OSError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_an_answer_that_never_ends_is_given_up() -> None:
    with drip(b" ") as url:
        client = Client(ChosenController(url, None, "the default"), Patience(whole=0.05))
        with client, pytest.raises(CommandError, match="in time"):
            client.get("/v1/agents")


@pytest.mark.parametrize(
    "change",
    [
        {"accepted": "0001-01-01T00:00:00Z"},
        {"accepted": "9999-12-31T23:59:59Z"},
        {"accepted": "2026-11-30T09:15:02"},
        {"ended": "soon"},
    ],
)
def test_a_time_that_no_session_has_is_no_controller_s(
    at: Podline, api: FakeApi, change: dict[str, str]
) -> None:
    odd = session()
    odd["timeline"] |= change
    api.sessions = [odd]

    assert at("show", "cart-7f3a").code == ExitCode.UNREACHABLE


@pytest.mark.parametrize("number", ["1e999", "NaN", "-1", "1e300", "9" * 5000, '"1"', "true", "null"])
@pytest.mark.parametrize("name", ["turns", "caller"])
def test_a_number_that_no_call_has_ends_in_no_traceback(
    at: Podline, api: FakeApi, name: str, number: str
) -> None:
    odd = session()
    where = odd["usage"] if name == "turns" else odd["usage"]["talk_seconds"]
    where[name] = "NUMBER"
    body = json.dumps(odd).replace('"NUMBER"', number).encode()
    api.answers["GET", "/v1/sessions/cart-7f3a"] = Answer(body=body)

    assert at("show", "cart-7f3a").code in (ExitCode.OK, ExitCode.UNREACHABLE)
