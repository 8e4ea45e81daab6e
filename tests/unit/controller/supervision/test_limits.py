"""Limits on starts, as callers meet them: refused before a room is made, with the limit's name."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from controller.core.agents import AgentDefinition
from controller.core.credentials import Credentials
from controller.core.errors import ModelUnavailable
from controller.core.lowering import HOLD_SECONDS
from controller.core.rooms import Rate, RoomLoad
from controller.core.session import Session
from testing.fakes.bots.reported import batch, scrape
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.site import Serve, Site
from testing.fakes.controllers.stepped_time import SteppedTime
from testing.settings import settings_of

OWN = {"url": "https://rooms.example/own", "token": "for the bot"}


async def refused(site: Site, user_id: str, **fields: Any) -> httpx.Response:
    """Start in vain, and see that nothing came of it."""
    before = [each["id"] for each in (await site.client.get("/v1/sessions")).json()["sessions"]]
    opened = site.rooms.opened
    answer = await site.client.post("/v1/sessions", json={"user_id": user_id, **fields})
    assert answer.status_code == 429, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert site.rooms.opened == opened
    after = [each["id"] for each in (await site.client.get("/v1/sessions")).json()["sessions"]]
    assert after == before
    return answer


async def complain(site: Site, session_id: str, kind: str, seq: int = 1) -> None:
    report = batch(seq=seq, events=[{"type": "error", "kind": kind}])
    assert (await site.as_bot(session_id, "POST", "reports", json=report)).status_code == 200


async def test_each_limit_has_its_name(serve: Serve) -> None:
    async with serve(capacity=3, sessions_per_user=1, model_key_sessions="shopping=2") as site:
        await site.start("ana")
        of_user = (await refused(site, "ana")).json()
        await site.start("bo")
        of_key = (await refused(site, "cem")).json()
    async with serve(capacity=1) as site:
        await site.start("ana")
        of_all = (await refused(site, "bo")).json()

    seen = [(each["code"], each["limit"]) for each in (of_user, of_key, of_all)]
    assert seen == [
        ("user_limit_reached", "user"),
        ("capacity_reached", "model_key"),
        ("capacity_reached", "capacity"),
    ]
    assert of_key["detail"] == (
        "All 2 sessions that may share the model key of agent 'shopping' are running. Try again when one has "
        "ended, or raise PODLINE_MODEL_KEY_SESSIONS."
    )
    assert of_all["detail"] == (
        "All 1 session slots are in use. Try again when one is free, or raise PODLINE_CAPACITY."
    )


async def test_an_error_that_is_about_no_limit_names_none(site: Site) -> None:
    answer = await site.client.get("/v1/sessions/nobody")
    assert "limit" not in answer.json()


@pytest.mark.parametrize("kind", ["quota", "rate_limit"])
async def test_a_used_up_quota_lowers_the_key_s_limit_for_a_while(serve: Serve, kind: str) -> None:
    steps = SteppedTime(datetime.now(UTC))
    async with serve(clock=steps.clock, sessions_per_user=9) as site:
        sessions = [await site.start("ana") for _ in range(4)]
        await complain(site, sessions[0]["id"], kind)

        answer = await refused(site, "ana")
        assert answer.json()["detail"] == (
            "A provider refused requests of agent 'shopping' because its key's quota was used up: only 3 "
            "sessions instead of 20 may use the key for a while. Try again in 60 seconds; the operator can "
            "have the quota raised."
        )
        assert answer.headers["retry-after"] == "60"
        seen = scrape(site)
        assert seen.value("limit", limit="model_key", name="shopping") == 3
        assert seen.value("limit_used", limit="model_key", name="shopping") == 4
        assert seen.value("limit_lowered", limit="model_key", name="shopping") == 1
        assert seen.value("session_refusals_total", code="capacity_reached", limit="model_key") == 1

        steps.passed += HOLD_SECONDS
        await site.start("ana")
        assert scrape(site).value("limit", limit="model_key", name="shopping") == 5


async def test_other_errors_lower_nothing(site: Site) -> None:
    session = await site.start("ana")
    for number, kind in enumerate(("server", "connectivity", "quotas", "application"), 1):
        await complain(site, session["id"], kind, number)
    assert scrape(site).value("limit_lowered", limit="model_key", name="shopping") == 0


async def test_a_start_is_refused_once_rooms_would_wait_too_long(site: Site) -> None:
    rate = Rate(per_second=4.0, full_per_second=16.0)
    site.rooms.busy = RoomLoad(wait_seconds=6.5, rate=rate)

    answer = await refused(site, "ana")
    assert (answer.json()["code"], answer.json()["limit"]) == ("capacity_reached", "room_provider")
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["detail"] == (
        "The room provider refused requests as too many, so it is sent 4 a second instead of 16 for a while. "
        "Try again in 7 seconds."
    )
    assert scrape(site).value("limit_lowered", limit="room_provider", name="daily") == 1
    await site.start("ana", room=OWN)


async def test_starts_that_wait_for_their_rooms_count_against_the_provider(site: Site) -> None:
    rate = Rate(per_second=16.0, full_per_second=16.0)
    site.rooms.busy = RoomLoad(wait_seconds=2.0, rate=rate)
    site.rooms.may_open.clear()
    starting = [
        asyncio.create_task(site.client.post("/v1/sessions", json={"user_id": user}))
        for user in ("ana", "bo")
    ]
    while len((await site.client.get("/v1/sessions")).json()["sessions"]) < 2:  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0)

    assert (await refused(site, "cem")).json()["limit"] == "room_provider"
    site.rooms.may_open.set()
    assert [(await each).status_code for each in starting] == [201, 201]
    await site.start("cem")


@pytest.mark.parametrize(
    "value",
    ["shopping", "shopping=0", "shop ping=1", "shopping=1,shopping=2", "a+b=1,b=2", "=3", "a=1.5", "a+=2"],
)
def test_a_limit_that_can_not_be_meant_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValueError, match=r"PODLINE_MODEL_KEY_SESSIONS|a key's limit looks like"):
        settings_of(model_key_sessions=value)


SUPPORT = AgentDefinition(
    name="support",
    max_agents=2,
    secret_set="google",
    max_session_duration=600,
    budget_tokens=1_000,
    max_budget_tokens=5_000,
    idle_seconds=20,
)
SALES = AgentDefinition(name="sales", secret_set="google-copy")
KIOSK = AgentDefinition(name="kiosk", rooms=("livekit", "webrtc"))


async def test_an_agent_may_have_fewer_sessions_of_one_user(serve: Serve) -> None:
    agents = NamedAgents(replace(SUPPORT, sessions_per_user=1), SALES)
    async with serve(agents=agents) as site:
        await site.start("ana", agent="support")
        answer = await refused(site, "ana", agent="support")
        await site.start("ana", agent="sales")
        await site.start("bo", agent="support")

    assert (answer.json()["code"], answer.json()["limit"]) == ("user_limit_reached", "user")
    assert answer.json()["detail"] == (
        "This user already has 1 session of agent 'support'. End one of them first."
    )


async def test_an_agent_has_no_more_sessions_than_its_definition_allows(serve: Serve) -> None:
    async with serve(agents=NamedAgents(SUPPORT, SALES)) as site:
        first = await site.start("ana", agent="support")
        await site.start("bo", agent="support")
        answer = await refused(site, "cem", agent="support")
        await site.start("cem", agent="sales")
        seen = scrape(site)
        await site.client.delete(f"/v1/sessions/{first['id']}")
        await site.start("dee", agent="support")

    assert (answer.json()["code"], answer.json()["limit"]) == ("capacity_reached", "agent")
    assert answer.json()["detail"] == (
        "All 2 sessions that agent 'support' may have at once are running. Try again when one has ended, or "
        "raise max_agents in its definition."
    )
    assert seen.value("limit", limit="agent", name="support") == 2
    assert seen.value("limit_used", limit="agent", name="support") == 2


async def test_two_agents_with_one_key_share_its_limit_and_its_name_is_not_told(serve: Serve) -> None:
    agents = NamedAgents(SUPPORT, SALES)
    async with serve(agents=agents, model_key_sessions="google+google-copy=1") as site:
        await site.start("ana", agent="support")
        answer = await refused(site, "bo", agent="sales")
        await site.start("cem")

    assert answer.json()["limit"] == "model_key"
    assert "google" not in answer.text


async def test_an_agent_of_other_rooms_is_not_started(serve: Serve) -> None:
    async with serve(agents=NamedAgents(KIOSK)) as site:
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "agent": "kiosk"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"] == (
        "agent: 'kiosk' supports rooms of kind livekit and webrtc, and this controller has only daily "
        "(PODLINE_ROOMS). Start another agent, or ask a controller with such rooms."
    )


async def test_an_agent_s_own_duration_budget_and_silence_apply_to_its_sessions(serve: Serve) -> None:
    async with serve(agents=NamedAgents(SUPPORT), budget_tokens=3_000, max_budget_tokens=4_000) as site:
        usual = await site.start("ana", agent="support", session_id="usual")
        repeated = await site.start("ana", agent="support", session_id="usual")
        most = await site.start("bo", agent="support", max_duration_seconds=90, budget={"tokens": 4_000})
        shopping = await site.start("cem")
        of_usual = site.runtime.launch_of("usual").environment
        answers = [
            await site.client.post("/v1/sessions", json={"user_id": "dee", "agent": "support", **asked})
            for asked in ({"max_duration_seconds": 601}, {"budget": {"tokens": 4_001}})
        ]

    assert (usual["max_duration_seconds"], usual["budget"]["tokens"]) == (600, 1_000)
    assert repeated["id"] == usual["id"]
    assert (of_usual["PODLINE_MAX_DURATION_SECONDS"], of_usual["PODLINE_IDLE_SECONDS"]) == ("600", "20")
    assert (most["max_duration_seconds"], most["budget"]["tokens"]) == (90, 4_000)
    assert (shopping["max_duration_seconds"], shopping["budget"]["tokens"]) == (1800, 3_000)
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["detail"] == (
        "max_duration_seconds: a session of agent 'support' may last 600 seconds at most."
    )


async def test_a_definition_that_allows_less_ends_no_session_and_keeps_its_repeats(serve: Serve) -> None:
    agents = NamedAgents(SUPPORT)
    async with serve(agents=agents) as site:
        first = await site.start("ana", agent="support", session_id="mine", max_duration_seconds=600)
        agents.definitions["support"] = replace(SUPPORT, max_agents=1, max_session_duration=60)
        again = await site.start("ana", agent="support", session_id="mine", max_duration_seconds=600)
        answer = await refused(site, "bo", agent="support", max_duration_seconds=60)

    assert again["timeline"]["accepted"] == first["timeline"]["accepted"]
    assert answer.json()["limit"] == "agent"


class UsedUpKey:
    """Issues nothing: the provider answers 429."""

    async def issue(self, session: Session, *, lifetime_seconds: float) -> Mapping[str, str]:  # noqa: ARG002
        raise ModelUnavailable("The quota is used up.", 120, is_quota=True)

    async def aclose(self) -> None:
        """Close nothing."""


async def test_a_provider_that_issues_no_more_tokens_lowers_its_key_too(serve: Serve) -> None:
    async with serve(credentials=Credentials([UsedUpKey()])) as site:
        failed = await site.client.post("/v1/sessions", json={"user_id": "ana"})
        seen = scrape(site)

    assert (failed.status_code, failed.json()["code"]) == (503, "model_unavailable")
    assert seen.value("limit", limit="model_key", name="shopping") == 1
    assert seen.value("limit_lowered", limit="model_key", name="shopping") == 1
