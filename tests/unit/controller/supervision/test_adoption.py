"""A session that another controller has started goes on here as if it had begun here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from controller.core.agents import BUILT_IN
from controller.core.credentials import Credentials
from controller.core.endings import ending_for
from controller.core.errors import RuntimeUnavailable, UnknownOutcome
from controller.core.runtime import Observation
from controller.core.session import Ending, Session, Timeline
from controller.credentials.store import StoreTokens
from podline.contract.reasons import Phase, Reason
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site, serve_site


def found(**fields: Any) -> Session:
    accepted = datetime.now(UTC) - timedelta(seconds=30)
    session = Session(
        id="mine",
        user_id="ana",
        launch_id="launch-1",
        request_hash="abc",
        room_provider="daily",
        room_url="https://rooms.example/mine",
        max_duration_seconds=1800,
        timeline=Timeline(accepted=accepted),
    )
    return replace(session, **fields)


async def observe(site: Site, session: Session, **more: Any) -> None:
    await site.runtime.observe(Observation(launch_id=session.launch_id, found=session, **more))


async def is_known(site: Site) -> bool:
    return (await site.client.get("/v1/sessions/mine")).status_code == 200


async def test_a_launch_whose_body_is_lost_is_handed_over_without_secrets() -> None:
    async with serve_site() as site:
        await observe(site, found(agent_version="7-gone", body_is_lost=True))
        await settled()
        [launch] = site.runtime.launches

    assert launch.secrets is None
    assert launch.agent == BUILT_IN


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_it_is_listed_and_takes_a_slot_even_above_the_limit() -> None:
    async with serve_site(capacity=1) as site:
        for number in range(2):
            await observe(site, found(id=f"one-{number}", launch_id=f"launch-{number}", phase=Phase.LIVE))
        listed = (await site.client.get("/v1/sessions")).json()["sessions"]
        refused = await site.client.post("/v1/sessions", json={"user_id": "bo"})

    assert [each["phase"] for each in listed] == ["live", "live"]
    assert refused.json()["code"] == "capacity_reached"


async def test_one_that_was_being_launched_is_launched_again_as_it_was() -> None:
    async with serve_site() as site:
        await observe(site, found())
        await settled()
        [launch] = site.runtime.launches

    assert launch.session.launch_id == "launch-1"
    assert launch.secrets is not None
    assert secrets_of(launch)["DAILY_TOKEN"] == "bot-token-again"


async def test_its_bot_is_issued_credentials_anew() -> None:
    tokens = StoreTokens("a secret of thirty-two bytes or more", lambda: datetime.now(UTC))
    async with serve_site(credentials=Credentials([tokens])) as site:
        await observe(site, found())
        await settled()
        [launch] = site.runtime.launches

    assert launch.secrets is not None
    claims = jwt.decode(secrets_of(launch)["CONVEX_TOKEN"], options={"verify_signature": False})
    assert (claims["sub"], claims["sid"], claims["jti"]) == ("ana", "mine", "launch-1")


async def test_one_whose_room_was_brought_is_launched_without_the_token_that_is_forgotten() -> None:
    async with serve_site() as site:
        await observe(site, found(room_is_brought=True))
        await settled()
        [launch] = site.runtime.launches

    assert launch.secrets is None


async def test_one_that_can_t_be_completed_is_stopped_and_says_why() -> None:
    async with serve_site() as site:
        site.runtime.refusal = RuntimeUnavailable("The token is lost.")
        await observe(site, found())
        await settled()
        session = (await site.client.get("/v1/sessions/mine")).json()

    assert (session["reason"], session["message"]) == ("launch_failed", "The token is lost.")


async def test_one_of_unknown_outcome_is_tried_again_and_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("controller.supervision.launcher._PAUSE_SECONDS", 0.0)
    async with serve_site() as site:
        site.runtime.refusal = UnknownOutcome()
        await observe(site, found())
        await settled()
        site.runtime.refusal = None
        await settled()
        session = (await site.client.get("/v1/sessions/mine")).json()

    assert session["phase"] == "starting"
    assert session["timeline"]["launched"] is not None


async def test_one_that_was_asked_to_leave_is_asked_again_and_not_launched() -> None:
    async with serve_site(grace_seconds=0.1) as site:
        site.runtime.stubborn = True
        await observe(site, found(), intent=Ending(reason=Reason.IDLE, what_happened="Silent."))
        await settled()
        session = (await site.client.get("/v1/sessions/mine")).json()

    assert session["phase"] == "stopping"
    assert set(site.runtime.stopped) == {"launch-1"}
    assert site.runtime.launches == []


async def test_one_that_has_ended_is_shown_as_it_was_and_takes_no_slot() -> None:
    ended = found().ended(ending_for(Reason.CALLER_LEFT), datetime.now(UTC))
    async with serve_site(capacity=1) as site:
        await observe(site, ended)
        session = (await site.client.get("/v1/sessions/mine")).json()
        started = await site.client.post("/v1/sessions", json={"user_id": "bo"})

    assert (session["phase"], session["message"]) == ("ended", "The caller left.")
    assert started.status_code == 201
    assert "mine" not in [each.id for each in site.runtime.recorded]


async def test_one_that_ended_long_ago_is_forgotten_when_its_time_is_over() -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    ended = found(timeline=Timeline(accepted=long_ago)).ended(
        Ending(reason=Reason.IDLE, what_happened="Silent."), long_ago
    )
    async with serve_site(keep_ended_seconds=3600) as site:
        await observe(site, ended)
        async with asyncio.timeout(10):
            while await is_known(site):  # noqa: ASYNC110 - the watchdog's own time
                await asyncio.sleep(0.05)


async def test_the_same_session_found_twice_is_one() -> None:
    async with serve_site() as site:
        await observe(site, found(phase=Phase.LIVE))
        await observe(site, found(phase=Phase.LIVE))
        listed = (await site.client.get("/v1/sessions")).json()["sessions"]

    assert len(listed) == 1


async def test_what_becomes_of_a_session_is_recorded_when_it_is_live_and_when_it_ends() -> None:
    async with serve_site() as site:
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
        launch = site.runtime.launch_of(answer.json()["id"])
        await site.runtime.exit(launch.session.launch_id, exit_code=67)

    assert [str(each.ending.reason) for each in site.runtime.recorded if each.ending] == ["model_refused"]
