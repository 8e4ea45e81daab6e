"""What the controller asks of Google for a token, and what it makes of the answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.core.errors import ModelUnavailable
from controller.core.session import Session, Timeline
from controller.credentials.gemini import GeminiTokens

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "the-operators-key"
SESSION = Session(
    id="call-1",
    user_id="ana",
    launch_id="launch-1",
    request_hash="",
    room_provider="",
    max_duration_seconds=1801,
    timeline=Timeline(accepted=NOW),
)


class Google:
    """Answers as a test says."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str | None, object]] = []
        self.answer = web.json_response({"name": "auth_tokens/abc"})
        self.talks_on = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("x-goog-api-key"), await request.json()))
        await self.may_answer.wait()
        if self.talks_on:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"name": "')
            assert request.transport is not None
            while not request.transport.is_closing():
                await response.write(b"a")
        return self.answer


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    google = Google()
    app = web.Application()
    app.router.add_post("/{path:.*}", google.serve)
    async with TestServer(app) as server:
        google.url = str(server.make_url(""))
        yield google
        google.may_answer.set()


async def issue(url: str, patience_seconds: float = 60) -> dict[str, str]:
    tokens = GeminiTokens(httpx.AsyncClient(), KEY, url, lambda: NOW, patience_seconds)
    try:
        return dict(await tokens.issue(SESSION, lifetime_seconds=1951))
    finally:
        await tokens.aclose()


async def test_a_token_is_asked_for_that_lasts_for_the_call_and_locks_the_model(google: Google) -> None:
    assert await issue(google.url) == {"GOOGLE_API_KEY": "auth_tokens/abc"}
    assert google.asked == [
        (
            "/v1alpha/auth_tokens",
            KEY,
            {
                "uses": 10 + 4,
                "expireTime": "2026-01-02T03:36:36+00:00",
                "newSessionExpireTime": "2026-01-02T03:36:36+00:00",
                "bidiGenerateContentSetup": {"model": "models/gemini-3.8-live"},
                "fieldMask": "model",
            },
        )
    ]


@pytest.mark.parametrize(
    ("answer", "sentence", "retry_after"),
    [
        (web.Response(status=429, headers={"Retry-After": "7"}), "quota", 7),
        (web.Response(status=429, headers={"Retry-After": "9" * 9}), "quota", 3600),
        (web.Response(status=429, headers={"Retry-After": "-1"}), "quota", 5),
        (web.Response(status=429, headers={"Retry-After": "soon"}), "quota", 5),
        (web.Response(status=503), "later", 5),
        (web.Response(status=400, text=f"API key {KEY} not valid"), "GOOGLE_API_KEY", 5),
        (web.Response(status=307, headers={"Location": "/elsewhere"}), "status 307", 5),
        (web.Response(body=b"a" * 100_000), "too long", 5),
        (web.Response(body=b"\xff"), "can't be read", 5),
        (web.Response(body=b'{"name": "auth_tokens/a", "b": ' + b"[" * 60_000), "can't be read", 5),
        (
            web.Response(
                body=gzip.compress(b'{"name": "auth_tokens/a"}'), headers={"Content-Encoding": "gzip"}
            ),
            "can't be read",
            5,
        ),
        (web.json_response({"name": "sk-key"}), "can't be read", 5),
        (web.json_response({"name": "auth_tokens/a\nb"}), "can't be read", 5),
        (web.json_response([]), "can't be read", 5),
    ],
)
async def test_an_answer_without_a_token_is_told_in_a_sentence(
    google: Google, answer: web.Response, sentence: str, retry_after: int
) -> None:
    google.answer = answer
    with pytest.raises(ModelUnavailable, match=sentence) as refused:
        await issue(google.url)
    assert refused.value.retry_after == retry_after
    assert KEY not in str(refused.value)
    assert len(google.asked) == 1


async def test_nobody_waits_for_an_answer_without_end(google: Google) -> None:
    google.may_answer.clear()
    with pytest.raises(ModelUnavailable, match="within"):
        await issue(google.url, patience_seconds=0.1)


async def test_nobody_reads_an_answer_without_end(google: Google) -> None:
    google.talks_on = True
    with pytest.raises(ModelUnavailable, match="too long"):
        await issue(google.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
async def test_google_out_of_reach_is_told_in_a_sentence(url: str) -> None:
    with pytest.raises(ModelUnavailable, match="no connection"):
        await issue(url)
