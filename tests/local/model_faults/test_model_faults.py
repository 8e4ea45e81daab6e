"""What callers hear when the model misbehaves, and what is on record: docs/reference/model-faults.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.voice import Voice
from testing.model_faults.call import FaultSite, site_variables
from testing.model_faults.playing import Player
from testing.model_faults.situations import Situation
from testing.model_faults.table import SITUATIONS
from testing.processes import Sandbox
from tests.local.conftest import PROGRAMS, serving
from tests.local.model_faults.chosen import playing_chosen


@pytest.fixture(scope="module")
def personas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("personas")


@pytest.fixture(scope="module")
def faulty_url(
    sandbox: Sandbox, personas: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    """Serve a controller whose calls have a persona each."""
    directory = tmp_path_factory.mktemp("model-faults")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], site_variables(personas)) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def player(
    request: pytest.FixtureRequest, faulty_url: str, sandbox: Sandbox, personas: Path, voice: Voice
) -> AsyncIterator[Player]:
    """Plays the situations of all tests that were chosen, from the first test on."""
    async with (
        httpx.AsyncClient(base_url=faulty_url, timeout=40) as controller,
        httpx.AsyncClient(base_url=sandbox.store_url) as control,
        playing_chosen(request, FaultSite(controller, control, personas, voice), SITUATIONS) as player,
    ):
        yield player


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
async def test_the_caller_is_answered_or_hears_why_not(situation: Situation, player: Player) -> None:
    """Within the bound; and where the call ends, the record says what was observed and what to do."""
    played = await player.results[situation.name]
    print(played.call.account())  # noqa: T201 - shown where the test fails
    played.check()
