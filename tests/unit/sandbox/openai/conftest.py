"""OpenAI's stand-in, served to one test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from openai import AsyncOpenAI

from sandbox.ears import Ears
from sandbox.grammar import request_grammar
from sandbox.openai.server import create_openai_app
from sandbox.openai.service import OpenAI
from sandbox.voice import Voice
from tests.unit.sandbox.openai.serving import KEY, Served


@pytest.fixture(scope="session")
def ears() -> Iterator[Ears]:
    made = Ears(request_grammar(["running shoes", "lamps"]), np.random.default_rng(1))
    yield made
    made.close()


@pytest.fixture
async def served(voice: Voice, ears: Ears) -> AsyncIterator[Served]:
    openai = OpenAI(
        key=KEY,
        ears=ears,
        voice=voice,
        categories=[],
        sleep=asyncio.sleep,
        now=lambda: datetime.now(UTC),
    )
    runner = web.AppRunner(create_openai_app(openai), handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    async with (
        AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, project="one") as client,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http,
    ):
        yield Served(url, openai, client, http)
    await runner.cleanup()
