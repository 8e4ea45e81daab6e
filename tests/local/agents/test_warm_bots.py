"""Calls that bots take which have waited for them, of a project that knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.processes import Sandbox, ended_session, eventually
from testing.projects.calls import check_cascade_usage, check_record, converse
from testing.projects.generated import CASCADE, generate
from tests.local.conftest import PROGRAMS, serving

KEPT = 2


@pytest.fixture(scope="module")
def warm_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    agents = tmp_path_factory.mktemp("warm")
    generate(CASCADE, agents, sandbox.variables)
    definition = f'agent_name = "{CASCADE.name}"\n[scaling]\nmin_agents = {KEPT}\n'
    (agents / CASCADE.name / "server" / "pcc-deploy.toml").write_text(definition)
    directory = tmp_path_factory.mktemp("warm-controller")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], {"PODLINE_AGENTS": str(agents)}) as url:
        yield url


async def ready(controller: httpx.AsyncClient, bots: int) -> bool:
    agents = (await controller.get("/v1/agents")).raise_for_status().json()["agents"]
    [warm] = [each["warm"] for each in agents if each["name"] == CASCADE.name]
    return bool(warm["ready"] == bots)


async def begin(controller: httpx.AsyncClient, user_id: str) -> dict[str, Any]:
    answer = await controller.post("/v1/sessions", json={"user_id": user_id, "agent": CASCADE.name})
    session: dict[str, Any] = answer.raise_for_status().json()
    return session


async def test_a_bot_that_has_waited_holds_a_call_as_any_other_and_another_takes_its_place(
    warm_url: str, voice: Voice
) -> None:
    async with httpx.AsyncClient(base_url=warm_url, timeout=40) as controller:
        await eventually(lambda: ready(controller, KEPT), "bots that wait", within=60)
        session = await begin(controller, "ana")
        async with calling(warm_url, voice, room=RoomAddress(**session["room"])) as (caller, _):
            await converse(caller)
            of_others = await begin(controller, "ben")
        over = await eventually(lambda: ended_session(controller, session["id"]), "the session's end")
        (await controller.delete(f"/v1/sessions/{of_others['id']}")).raise_for_status()
        await eventually(lambda: ready(controller, KEPT), "bots that wait again", within=60)

    check_record(over, CASCADE.name)
    check_cascade_usage(over["usage"])
    assert (session["cold_start"], of_others["cold_start"]) == (False, False)
    timeline = over["timeline"]
    begun, joined = (datetime.fromisoformat(timeline[moment]) for moment in ("accepted", "joined"))
    print(f"joined after {(joined - begun).total_seconds():.3f} s")  # noqa: T201 - for a look
