"""As many warm bots wait as the agents' definitions ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from controller.core.agents import AgentDefinition
from controller.core.errors import RuntimeUnavailable, UnknownOutcome
from controller.core.pool_plan import OLDEST_SECONDS
from testing.fakes.bots.reported import batch
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.metered import Scrape
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.site import Site, serve_site
from testing.fakes.controllers.warm_crew import (
    CLERK,
    Habit,
    WarmCrew,
    loop_clock,
    ready_bots,
    shop,
    until,
    waiting,
)

TWO = replace(CLERK, min_agents=2)


async def warm_of(site: Site, agent: str = "clerk") -> dict[str, Any]:
    warm: dict[str, Any] = (await site.client.get(f"/v1/agents/{agent}")).json()["warm"]
    return warm


@at_once
async def test_a_warm_bot_has_what_it_needs_to_be_found_and_nothing_of_any_call() -> None:
    async with shop(definition=replace(CLERK, preload=False, file="main.py")) as (site, _):
        [launch] = site.runtime.warm

    assert launch.environment == {
        "PODLINE_AGENT": "clerk",
        "PODLINE_BOT_FILE": "main.py",
        "PODLINE_CONTROLLER_URL": "http://127.0.0.1:7860",
        "PODLINE_LAUNCH_ID": launch.bot.launch_id,
        "PODLINE_CONTRACT": "1",
        "PODLINE_GRACE_SECONDS": "30",
        "PODLINE_WARM": "true",
        "PODLINE_PRELOAD": "false",
    }
    assert launch.secrets == {"PODLINE_LAUNCH_TOKEN": SIGNER.launch_token(launch.bot.launch_id)}
    assert launch.deadline_seconds > OLDEST_SECONDS
    assert launch.agent.id == launch.bot.agent_version


@at_once
async def test_an_agent_shows_how_many_are_wanted_ready_and_in_use() -> None:
    async with shop(Habit.CONFIRMS, Habit.NEVER_READY, definition=TWO) as (site, _):
        assert await warm_of(site) == {
            "wanted": 2,
            "ready": 1,
            "starting": 1,
            "in_use": 0,
            "problem": None,
        }
        await site.start(agent="clerk")
        assert (await warm_of(site))["in_use"] == 1
        assert (await warm_of(site, "shopping"))["wanted"] == 0
        scrape = Scrape(site.metrics.registry)
        states = {
            state: scrape.value("warm_bots", agent="clerk", state=state) for state in ("starting", "ready")
        }
        assert states == {"starting": 1, "ready": 0}


@at_once
async def test_a_bot_that_crashes_is_replaced_after_a_pause_and_the_agent_says_why() -> None:
    async with shop(*[Habit.DIES_AT_ONCE] * 1000, ready=0) as (site, _):
        await asyncio.sleep(600)

        # 1 + 2 + 4 + 8 + 16 + 32 seconds, and then one a minute.
        assert 12 <= len(site.runtime.warm) <= 18
        assert (await warm_of(site))["problem"] == "It ended before a session needed it."
        assert (await site.start(agent="clerk"))["cold_start"] is True


@at_once
async def test_a_refused_launch_is_tried_again_and_the_agent_says_why() -> None:
    async with shop(ready=0) as (site, _):
        site.runtime.warm_refusal = RuntimeUnavailable("The quota is used up.")
        for each in waiting(site.runtime):
            await site.runtime.exit(each)
        await asyncio.sleep(5)
        assert (await warm_of(site))["problem"] == "The quota is used up."
        site.runtime.warm_refusal = None

        await ready_bots(site, 1)
        await asyncio.sleep(60)
        assert (await warm_of(site))["problem"] is None


@at_once
async def test_a_launch_of_unknown_outcome_is_given_up() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, _):
        await until(lambda: len(site.runtime.warm) == 1)
        [first] = waiting(site.runtime)
        site.runtime.warm_refusal = UnknownOutcome("No answer.")
        site.runtime.takes_it_silently = True
        await site.runtime.exit(first)
        await until(lambda: len(site.runtime.given_up) == 1)
        site.runtime.warm_refusal = None

        await ready_bots(site, 1)
        assert len(waiting(site.runtime)) == 1


@at_once
async def test_a_bot_that_is_never_ready_is_replaced_after_the_start_timeout() -> None:
    async with shop(Habit.NEVER_READY, ready=0, start_timeout_seconds=60) as (site, _):
        await asyncio.sleep(70)

        assert (await ready_bots(site, 1))["ready"] == 1
        assert len(site.runtime.given_up) == 1


@at_once
async def test_a_bot_that_falls_silent_is_replaced() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, crew):
        await until(lambda: len(site.runtime.warm) == 1)
        [silent] = waiting(site.runtime)
        await crew.post(silent, "reports", batch())
        await asyncio.sleep(30)

        assert site.runtime.given_up == [silent]
        await ready_bots(site, 1)


@at_once
async def test_a_bot_whose_poll_is_held_is_not_silent_however_long_it_waits() -> None:
    async with shop() as (site, _):
        await asyncio.sleep(OLDEST_SECONDS - 100)
        assert len(site.runtime.warm) == 1


@at_once
async def test_a_bot_that_has_waited_for_an_hour_is_replaced_once_its_successor_is_ready() -> None:
    async with shop() as (site, _):
        await asyncio.sleep(OLDEST_SECONDS + 100)

        first, second = (each.bot.launch_id for each in site.runtime.warm)
        assert first in site.runtime.gone
        assert waiting(site.runtime) == [second]


@at_once
async def test_a_new_version_replaces_the_bots_of_the_former_and_no_call_gets_one_of_these() -> None:
    agents = NamedAgents(TWO)
    async with (
        serve_site(agents=agents, clock=loop_clock()) as site,
        WarmCrew(
            site.client, site.runtime, Habit.CONFIRMS, Habit.CONFIRMS, Habit.NEVER_READY, Habit.NEVER_READY
        ).at_work(),
    ):
        await ready_bots(site, 2)
        former = set(waiting(site.runtime))
        agents.definitions["clerk"] = replace(TWO, image="clerk:2")
        await until(lambda: len(site.runtime.warm) == 4)
        assert former <= set(waiting(site.runtime))
        assert (await warm_of(site))["ready"] == 0
        session = await site.start(agent="clerk")
        assert session["cold_start"] is True

        for each in set(waiting(site.runtime)) - former:
            await site.runtime.exit(each)
        await until(lambda: not former & set(waiting(site.runtime)))
        await asyncio.sleep(10)
        assert len(waiting(site.runtime)) == (await warm_of(site))["ready"]


@at_once
async def test_bots_are_replaced_when_what_they_were_given_changes_and_no_call_gets_one_of_these() -> None:
    secrets = "first"
    async with (
        serve_site(agents=NamedAgents(TWO), clock=loop_clock(), given_to=lambda _: secrets) as site,
        WarmCrew(site.client, site.runtime).at_work() as crew,
    ):
        await ready_bots(site, 2)
        former = set(waiting(site.runtime))
        crew.habits += [Habit.NEVER_READY] * 2
        secrets = "second"
        await until(lambda: len(site.runtime.warm) == 4)
        assert former <= set(waiting(site.runtime))
        assert (await site.start(agent="clerk"))["cold_start"] is True

        for each in set(waiting(site.runtime)) - former:
            await site.runtime.exit(each)
        await until(lambda: not former & set(waiting(site.runtime)))
        await ready_bots(site, 1)
        assert (await site.start("bo", agent="clerk"))["cold_start"] is False
    assert {each.bot.given for each in site.runtime.warm if each.bot.launch_id not in former} == {"second"}


@at_once
async def test_an_agent_that_no_longer_keeps_warm_bots_has_none_soon() -> None:
    agents = NamedAgents(TWO)
    async with (
        serve_site(agents=agents, clock=loop_clock()) as site,
        WarmCrew(site.client, site.runtime).at_work() as crew,
    ):
        await ready_bots(site, 2)
        agents.definitions["clerk"] = replace(CLERK, min_agents=0)
        await until(lambda: not waiting(site.runtime))

        assert set(crew.refusals.values()) == {409}
        assert (await warm_of(site))["wanted"] == 0


@at_once
async def test_a_call_that_is_being_started_does_not_send_away_the_bot_it_is_about_to_take() -> None:
    async with shop() as (site, _):
        site.rooms.may_open.clear()
        starting = asyncio.create_task(site.start(agent="clerk"))
        await asyncio.sleep(10)
        site.rooms.may_open.set()

        assert (await starting)["cold_start"] is False


@at_once
async def test_the_automatic_buffer_follows_the_calls() -> None:
    definition = AgentDefinition(name="clerk", buffer="auto")
    async with shop(definition=definition, ready=0) as (site, _):
        await asyncio.sleep(5)
        assert site.runtime.warm == []
        first = await site.start("ana", agent="clerk")
        await ready_bots(site, 1)
        second = await site.start("bo", agent="clerk")
        assert (first["cold_start"], second["cold_start"]) == (True, False)
        await asyncio.sleep(700)

        assert waiting(site.runtime) == []


@at_once
async def test_no_warm_bots_are_kept_while_the_controller_is_drained() -> None:
    async with shop(definition=TWO, ready=2) as (site, _):
        await site.client.put("/v1/drain", json={"draining": True})
        await until(lambda: not waiting(site.runtime))
        assert (await warm_of(site))["problem"] == "Warm bots are not kept while the controller is drained."
        await site.client.put("/v1/drain", json={"draining": False})

        await ready_bots(site, 2)


@at_once
async def test_warm_bots_end_with_a_controller_that_they_don_t_outlive() -> None:
    async with shop(definition=TWO, ready=2) as (site, _):
        runtime = site.runtime
        assert len(waiting(runtime)) == 2

    assert waiting(runtime) == []


@at_once
async def test_what_is_asked_of_a_bot_that_nobody_knows_is_refused() -> None:
    async with shop() as (_, crew):
        assert (await crew.post("stranger", "reports", batch())).status_code == 409
        assert (await crew.post("stranger", "inbox/m-1", {"body": {}})).status_code == 409
