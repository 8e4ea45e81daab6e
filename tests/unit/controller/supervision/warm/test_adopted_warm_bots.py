"""Warm bots of an earlier controller: adopted, completed, or given up if their session has another bot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from controller.core.agents import AgentVersion
from controller.core.runtime import Observation
from controller.core.session import Session
from controller.supervision.warm.care import PARTIAL_SECONDS
from podline.contract.reasons import Phase
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.sessions import some_session
from testing.fakes.controllers.site import serve_site
from testing.fakes.controllers.warm_crew import (
    CLERK,
    Habit,
    WarmCrew,
    a_warm_bot,
    loop_clock,
    ready_bots,
    shop,
    until,
    waiting,
)

TWO = replace(CLERK, min_agents=2)
VERSION = AgentVersion(definition=CLERK, serial=1).id


@at_once
async def test_warm_bots_that_outlive_the_controller_are_left_to_the_next() -> None:
    async with shop(definition=TWO, ready=2) as (site, crew):
        runtime = site.runtime
        runtime.outlives_us = True

    assert (len(waiting(runtime)), runtime.given_up, crew.refusals) == (2, [], {})


@at_once
async def test_a_bot_of_an_earlier_controller_is_adopted_and_can_be_taken_once_it_polls_here() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, crew):
        await until(lambda: len(site.runtime.warm) == 1)
        launch = site.runtime.warm[0]
        adopted = a_warm_bot("clerk", launch.bot.agent_version)
        site.runtime.warm.append(replace(launch, bot=adopted))
        await site.runtime.observe(Observation(launch_id="warm-1", warm=adopted))
        crew.join("warm-1")
        await ready_bots(site, 1)
        session = await site.start(agent="clerk", session_id="mine")

        assert session["cold_start"] is False
        assert site.runtime.launch_of("mine").session.launch_id == "warm-1"
        assert len([each for each in site.runtime.warm if each.bot == adopted]) == 1


def claimed_session(**fields: Any) -> Session:
    return some_session(
        "warm-1",
        id="mine",
        agent="clerk",
        room_provider="daily",
        room_url="https://rooms.example/mine",
        cold_start=False,
        **fields,
    )


@at_once
async def test_a_session_that_an_earlier_controller_claimed_a_bot_for_is_assigned_again() -> None:
    async with shop(definition=replace(CLERK, min_agents=0), ready=0) as (site, crew):
        await site.runtime.observe(Observation(launch_id="warm-1", found=claimed_session()))
        crew.join("warm-1")
        await until(lambda: "warm-1" in crew.serving)

        assert site.runtime.launches == []
        assert crew.serving["warm-1"]["SESSION_ID"] == "mine"
        assert crew.serving["warm-1"]["DAILY_TOKEN"] == "bot-token-again"
        assert (await site.read("mine"))["cold_start"] is False


@at_once
async def test_a_claimed_session_that_is_live_is_not_assigned_again() -> None:
    async with serve_site(agents=NamedAgents(CLERK), clock=loop_clock()) as site:
        session = claimed_session(phase=Phase.LIVE)
        await site.runtime.observe(Observation(launch_id="warm-1", found=session))
        await asyncio.sleep(0.1)

        assert site.app.state.services.supervisor.registry.get("mine").inbox.waiting == 0


@at_once
async def test_a_bot_whose_claim_by_another_controller_shows_late_is_that_session_s() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, crew):
        await until(lambda: len(site.runtime.warm) == 1)
        version = site.runtime.warm[0].bot.agent_version
        await site.runtime.observe(Observation(launch_id="warm-1", warm=a_warm_bot("clerk", version)))
        crew.join("warm-1")
        await ready_bots(site, 1)
        await site.runtime.observe(Observation(launch_id="warm-1", found=claimed_session()))
        await until(lambda: "warm-1" in crew.serving)

        assert crew.refusals == {}
        assert crew.serving["warm-1"]["SESSION_ID"] == "mine"


@at_once
async def test_a_bot_that_was_claimed_late_for_a_session_that_has_another_bot_is_given_up() -> None:
    async with serve_site(agents=NamedAgents(CLERK), clock=loop_clock()) as site:
        session = claimed_session(phase=Phase.LIVE)
        await site.runtime.observe(Observation(launch_id="warm-1", found=session))
        late = replace(session, launch_id="warm-2")
        await site.runtime.observe(Observation(launch_id="warm-2", found=late))
        await until(lambda: site.runtime.given_up == ["warm-2"])

        assert (await site.read("mine"))["phase"] == "live"
        assert site.app.state.services.supervisor.registry.get("mine").session.launch_id == "warm-1"


@at_once
async def test_a_bot_that_waits_here_and_was_claimed_late_is_retired_when_that_is_seen() -> None:
    async with serve_site(agents=NamedAgents(CLERK), clock=loop_clock()) as site:
        waits = a_warm_bot("clerk", VERSION, "warm-2")
        await site.runtime.observe(Observation(launch_id="warm-2", warm=waits))
        session = claimed_session(phase=Phase.LIVE)
        await site.runtime.observe(Observation(launch_id="warm-1", found=session))
        late = replace(session, launch_id="warm-2")
        await site.runtime.observe(Observation(launch_id="warm-2", found=late))
        await until(lambda: site.runtime.given_up == ["warm-2"])

        assert site.app.state.services.supervisor.registry.get("mine").session.launch_id == "warm-1"


@at_once
async def test_an_adopted_bot_that_is_not_heard_is_launched_again_under_its_own_name() -> None:
    async with (
        serve_site(agents=NamedAgents(CLERK), clock=loop_clock()) as site,
        WarmCrew(site.client, site.runtime).at_work(),
    ):
        bot = a_warm_bot("clerk", VERSION)
        await site.runtime.observe(Observation(launch_id="warm-1", warm=bot))
        # It polls once it has its credentials.
        await ready_bots(site, 1)
        await asyncio.sleep(2 * PARTIAL_SECONDS)

        assert [each.bot for each in site.runtime.warm] == [bot]
        assert site.runtime.given_up == []


@at_once
async def test_an_adopted_bot_that_is_heard_is_not_launched_again() -> None:
    async with (
        serve_site(agents=NamedAgents(CLERK), clock=loop_clock()) as site,
        WarmCrew(site.client, site.runtime).at_work() as crew,
    ):
        await site.runtime.observe(Observation(launch_id="warm-1", warm=a_warm_bot("clerk", VERSION)))
        crew.join("warm-1")
        await ready_bots(site, 1)
        await asyncio.sleep(2 * PARTIAL_SECONDS)

        assert site.runtime.warm == []
