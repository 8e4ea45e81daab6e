"""The situations in which the transport matters, in rooms of a real LiveKit server."""

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
from testing.model_faults.table import IN_ROOMS
from testing.processes import Sandbox, eventually
from testing.servers.livekit import LiveKitServer
from tests.local.conftest import PROGRAMS, serving
from tests.local.model_faults.chosen import playing_chosen


@pytest.fixture(scope="module")
def room_personas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("personas")


@pytest.fixture(scope="module")
def rooms_url(
    sandbox: Sandbox,
    livekit: LiveKitServer,
    room_personas: Path,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[str]:
    """Serve a controller whose callers meet their bots in rooms, each with a persona of its own."""
    directory = tmp_path_factory.mktemp("livekit-model-faults")
    variables = {**livekit.variables, **site_variables(room_personas)}
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rooms_player(
    request: pytest.FixtureRequest,
    rooms_url: str,
    sandbox: Sandbox,
    livekit: LiveKitServer,
    room_personas: Path,
    voice: Voice,
) -> AsyncIterator[Player]:
    async with (
        httpx.AsyncClient(base_url=rooms_url, timeout=40) as controller,
        httpx.AsyncClient(base_url=sandbox.store_url) as control,
        playing_chosen(
            request, FaultSite(controller, control, room_personas, voice, "guest"), IN_ROOMS
        ) as player,
    ):
        yield player
    await eventually(livekit.is_empty, "the end of all rooms")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("situation", IN_ROOMS, ids=lambda situation: situation.name)
async def test_the_caller_is_answered_or_hears_why_not(situation: Situation, rooms_player: Player) -> None:
    """Within the bound, as in a call without rooms."""
    played = await rooms_player.results[situation.name]
    print(played.call.account())  # noqa: T201 - shown where the test fails
    played.check()
