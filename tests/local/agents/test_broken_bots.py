"""What the author of a broken bot reads, and that nothing of it is left: docs/reference/broken-bots.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from sandbox.voice import Voice
from testing.processes import Sandbox
from testing.projects.broken_bot import BrokenBot
from testing.projects.broken_bots import BROKEN_BOTS
from tests.local.agents.broken_plays import Played, Plays, table
from tests.local.conftest import PROGRAMS, serving


@pytest.fixture(scope="module")
def broken_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    """Serve a controller whose agents are all broken."""
    directory, agents = tmp_path_factory.mktemp("broken"), tmp_path_factory.mktemp("agents")
    for bot in BROKEN_BOTS:
        bot.write(agents)
    variables = {"PODLINE_AGENTS": str(agents), "PODLINE_CAPACITY": str(len(BROKEN_BOTS))}
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plays(
    request: pytest.FixtureRequest, broken_url: str, voice: Voice
) -> AsyncIterator[dict[str, asyncio.Task[Played]]]:
    """Play the bots of all tests that were chosen, from the first test on."""
    chosen = {
        item.callspec.params["bot"].name
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    }
    async with (
        httpx.AsyncClient(base_url=broken_url, timeout=40) as controller,
        Plays(controller, voice).playing([bot for bot in BROKEN_BOTS if bot.name in chosen]) as tasks,
    ):
        yield tasks


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("bot", BROKEN_BOTS, ids=lambda bot: bot.name)
async def test_the_record_says_what_is_wrong_with_the_bot(
    bot: BrokenBot, plays: dict[str, asyncio.Task[Played]]
) -> None:
    """With its reason and one sentence; and no process and no secret is left behind."""
    played = await plays[bot.name]
    print(*table([played]), played.session, played.log, sep="\n")  # noqa: T201 - shown where the test fails
    played.check()
