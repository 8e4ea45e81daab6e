"""One speech engine for all tests, since a process can have no second; and a model over TLS."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from sandbox.certificate import make_certificate
from sandbox.ears import Ears
from sandbox.gemini.door import Door
from sandbox.gemini.model import Gemini
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.server import create_gemini_app
from sandbox.gemini.tokens import EphemeralTokens
from sandbox.grammar import request_grammar
from sandbox.voice import Voice
from tests.unit.sandbox.sdk import Model


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


async def without_waiting(_seconds: float) -> None:
    """Speak as fast as it can be sent."""
    await asyncio.sleep(0)


@pytest.fixture
async def model(tmp_path: Path, voice: Voice) -> AsyncIterator[Model]:
    now = datetime.now(UTC)
    certificate, tls = make_certificate(tmp_path, now)
    gemini = Gemini(
        key="the-right-key",
        ears=Ears(request_grammar(["running shoes", "lamps"]), np.random.default_rng(1)),
        voice=voice,
        categories=[],
        pacing=Pacing(),
        clock=time.monotonic,
        sleep=without_waiting,
        now=lambda: now,
        tokens=EphemeralTokens(lambda: now),
    )
    runner = web.AppRunner(create_gemini_app(gemini))
    await runner.setup()
    door = Door("127.0.0.1", 0, gemini.turns_away)
    await web.SockSite(runner, door, ssl_context=tls).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield Model(url, gemini, ssl.create_default_context(cafile=certificate), runner)
    await runner.cleanup()
    gemini.ears.close()
