"""The older contract, field for field."""

import pytest

from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site

ROOM = {"room_url": "https://rooms.example/own", "token": "for the bot"}


async def test_an_agent_is_started_listed_and_stopped(site: Site) -> None:
    body = {**ROOM, "user_id": "ana", "session_id": "s-1"}
    started = await site.client.post("/start-agent", json=body)
    assert (started.status_code, started.json()) == (200, {"status": "started", "session_id": "s-1"})
    assert secrets_of(site.runtime.launches[0])["DAILY_TOKEN"] == "for the bot"

    assert (await site.client.get("/agents")).json() == {
        "agents": [{"session_id": "s-1", "user_id": "ana", "room_url": "https://rooms.example/own"}]
    }
    assert (await site.client.get("/health")).json() == {"status": "healthy", "active_agents": 1}

    stopped = await site.client.post("/stop-agent/s-1", json={})
    assert (stopped.status_code, stopped.json()) == (200, {"status": "stopped"})
    assert (await site.client.get("/agents")).json() == {"agents": []}
    assert (await site.client.get("/health")).json() == {"status": "healthy", "active_agents": 0}


async def test_stopping_who_is_not_there_is_not_found(site: Site) -> None:
    answer = await site.client.post("/stop-agent/ghost", json={})
    assert (answer.status_code, answer.json()) == (200, {"status": "not_found"})


async def test_an_agent_is_listed_until_it_has_surely_gone(site: Site) -> None:
    site.runtime.stubborn = True
    await site.client.post("/start-agent", json={**ROOM, "user_id": "ana", "session_id": "s-1"})
    await site.client.post("/stop-agent/s-1", json={})
    assert (await site.client.get("/health")).json()["active_agents"] == 1

    await site.runtime.exit(site.runtime.launches[0].session.launch_id)
    assert (await site.client.get("/health")).json()["active_agents"] == 0


async def test_starting_the_same_agent_again_starts_no_second(site: Site) -> None:
    body = {**ROOM, "user_id": "ana", "session_id": "s-1"}
    answers = [await site.client.post("/start-agent", json=body) for _ in range(2)]

    assert [answer.json()["status"] for answer in answers] == ["started", "started"]
    assert len(site.runtime.launches) == 1


@pytest.mark.parametrize("missing", ["room_url", "token", "user_id", "session_id"])
async def test_each_field_is_needed(site: Site, missing: str) -> None:
    body = {**ROOM, "user_id": "ana", "session_id": "s-1"}
    del body[missing]
    answer = await site.client.post("/start-agent", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"] == f"{missing}: Field required."
