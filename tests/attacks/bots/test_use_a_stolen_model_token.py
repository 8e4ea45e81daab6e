"""A thief of a bot's token for Gemini, who wants another model, more sessions, or more time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
import numpy as np
import pytest
from aiohttp import web
from google import genai
from google.genai import errors, types

from controller.core.credentials import Credentials
from controller.core.errors import ModelUnavailable
from controller.credentials.gemini import GeminiTokens
from podline.contract.model import GEMINI_MODEL
from sandbox.certificate import make_certificate
from sandbox.ears import Ears
from sandbox.gemini.model import Gemini
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.server import create_gemini_app
from sandbox.gemini.tokens import EphemeralTokens
from sandbox.grammar import request_grammar
from sandbox.voice import Voice
from testing.fakes.controllers.site import serve_site

KEY: Final = "the-operators-key"
OTHER_MODEL: Final = "models/gemini-9-live-expensive"
REFUSED: Final = 1008


class Model:
    """The model over TLS, with a clock that a test moves."""

    def __init__(self, url: str, trust: ssl.SSLContext, gemini: Gemini) -> None:
        self.url = url
        self.trust = trust
        self.gemini = gemini

    def connect(self, key: str, model: str = GEMINI_MODEL, version: str = "v1alpha", **config: Any) -> Any:
        """As a bot does."""
        options = types.HttpOptions(
            base_url=self.url, api_version=version, async_client_args={"ssl": self.trust}
        )
        client = genai.Client(api_key=key, http_options=options)
        wanted = {"response_modalities": ["AUDIO"], "session_resumption": {}, **config}
        return client.aio.live.connect(model=model, config=types.LiveConnectConfig(**wanted))

    async def refuses(self, key: str, **asked: Any) -> bool:
        try:
            async with self.connect(key, **asked):
                return False
        except errors.APIError as error:
            return error.code in (1007, REFUSED)

    @property
    def models_used(self) -> list[str]:
        return [session.model for session in self.gemini.record.sessions]


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def model(tmp_path: Path, clock: Clock) -> AsyncIterator[Model]:
    certificate, tls = make_certificate(tmp_path, datetime.now(UTC))
    gemini = Gemini(
        key=KEY,
        ears=Ears(request_grammar(["lamps"]), np.random.default_rng(1)),
        voice=Voice(),
        categories=[],
        pacing=Pacing(),
        clock=time.monotonic,
        sleep=asyncio.sleep,
        now=clock.now,
        tokens=EphemeralTokens(clock.now),
    )
    runner = web.AppRunner(create_gemini_app(gemini))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    trust = ssl.create_default_context(cafile=certificate)
    yield Model(f"https://127.0.0.1:{runner.addresses[0][1]}", trust, gemini)
    await runner.cleanup()
    gemini.ears.close()


@pytest.fixture
async def token(model: Model, clock: Clock) -> str:
    """What the controller gives the bot of a call of ten minutes."""
    return await issued(model, clock, max_duration_seconds=600)


async def issued(model: Model, clock: Clock, **limits: Any) -> str:
    tokens = GeminiTokens(httpx.AsyncClient(verify=model.trust), KEY, model.url, clock.now)
    async with serve_site(credentials=Credentials([tokens])) as site:
        session = await site.start(**limits)
        secrets = site.runtime.launch_of(session["id"]).secrets
        assert secrets is not None
        assert KEY not in str(site.runtime.launches)
        return secrets["GOOGLE_API_KEY"]


pytestmark = pytest.mark.filterwarnings("ignore::google.genai.errors.ExperimentalWarning")


async def test_a_bot_talks_with_its_token_and_connects_again(model: Model, token: str) -> None:
    for _ in range(3):
        async with model.connect(token):
            pass
    assert model.models_used == [GEMINI_MODEL] * 3


async def test_another_model_is_not_to_be_had(model: Model, token: str) -> None:
    async with model.connect(token, model=OTHER_MODEL):
        pass
    assert model.models_used == [GEMINI_MODEL]


async def test_the_token_is_no_key(model: Model, token: str) -> None:
    """Not for sessions that lock nothing, and not for tokens of one's own."""
    uri = f"{model.url}/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    async with httpx.AsyncClient(verify=model.trust) as client:
        minted = await client.post(
            f"{model.url}/v1alpha/auth_tokens", json={"uses": 0}, headers={"x-goog-api-key": token}
        )
    assert minted.status_code == 400
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(uri, ssl=model.trust, headers={"x-goog-api-key": token}) as socket,
    ):
        await socket.send_json({"setup": {"model": OTHER_MODEL}})
        await socket.receive()
        assert socket.close_code in (1007, REFUSED)
    assert model.models_used == []


async def test_it_opens_no_session_once_its_call_is_over(model: Model, token: str, clock: Clock) -> None:
    clock.ahead = timedelta(seconds=120 + 600 + 30 + 1)
    assert await model.refuses(token)


async def test_a_session_that_is_open_then_is_closed(model: Model, clock: Clock) -> None:
    # Made so long ago that a second of it is left.
    clock.ahead = -timedelta(seconds=120 + 1 + 30 - 1)
    token = await issued(model, clock, max_duration_seconds=1)
    clock.ahead = timedelta(0)
    async with model.connect(token) as session:
        with pytest.raises(errors.APIError) as closed:
            async for _ in session.receive():
                pass
    assert closed.value.code == REFUSED


async def test_it_opens_only_as_many_sessions_as_a_call_may_need(model: Model, token: str) -> None:
    for _ in range(10 + 1):
        async with model.connect(token):
            pass
    assert await model.refuses(token)


async def test_a_made_up_handle_does_not_pass_for_a_session_that_goes_on(model: Model, token: str) -> None:
    refused = [
        await model.refuses(token, session_resumption={"handle": f"made-up-{count}"}) for count in range(11)
    ]
    assert all(refused)
    assert await model.refuses(token)
    assert model.models_used == []


@pytest.mark.parametrize("forge", [lambda name: name[:-1], lambda name: name + "0", lambda _: "auth_tokens/"])
async def test_no_token_can_be_guessed_from_another(
    model: Model, token: str, forge: Callable[[str], str]
) -> None:
    assert await model.refuses(forge(token))


async def test_without_a_token_nothing_is_launched_and_no_room_made(model: Model, clock: Clock) -> None:
    tokens = GeminiTokens(httpx.AsyncClient(verify=model.trust), "another-key", model.url, clock.now)
    async with serve_site(credentials=Credentials([tokens])) as site:
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "call-1"})
        session = await site.read("call-1")
    assert answer.status_code == 503
    assert answer.json()["code"] == ModelUnavailable.code
    assert "another-key" not in answer.text
    assert (session["phase"], session["reason"]) == ("failed", "launch_failed")
    assert site.runtime.launches == []
