"""Fixtures for the tests of bots and their runner."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from loguru import logger


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The one HTTP client of a call."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Each line logged during the test, with its fields."""
    lines: list[str] = []
    logger.configure(extra={})  # a traced bot's id is in every line of its process
    sink = logger.add(
        lambda message: lines.append(f"{message.record['message']} {message.record['extra']}"), level=0
    )
    yield lines
    logger.remove(sink)
