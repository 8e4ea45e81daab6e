"""How many warm bots are wanted, how long they wait, and what waiting costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from controller.core.agents import AgentDefinition
from controller.observe.labels import BoundedValues
from controller.observe.warm_metrics import WarmMetrics
from podline.contract.arithmetic import OTHER
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.metered import Scrape
from testing.fakes.controllers.site import Site, serve_site
from testing.fakes.controllers.warm_crew import CLERK, Habit, loop_clock, ready_bots, shop

TWO = replace(CLERK, min_agents=2)


def idle_seconds(site: Site) -> float:
    return Scrape(site.metrics.registry).value("warm_idle_seconds_total", agent="clerk")


def agents_with(site: Site, *names: str) -> set[str]:
    """Return the agents that have series of these names."""
    samples = Scrape(site.metrics.registry).samples
    return {dict(labels)["agent"] for name, labels in samples if name in names}


@at_once
async def test_as_many_are_wanted_as_should_wait_now() -> None:
    async with shop(Habit.CONFIRMS, Habit.NEVER_READY, definition=TWO) as (site, _):
        before = Scrape(site.metrics.registry).value("warm_bots_wanted", agent="clerk")
        await site.start(agent="clerk")
        await asyncio.sleep(1)

        assert before == 2
        assert Scrape(site.metrics.registry).value("warm_bots_wanted", agent="clerk") == 1


@at_once
async def test_only_agents_with_a_pool_have_series() -> None:
    without = AgentDefinition(name="porter")
    async with serve_site(agents=NamedAgents(CLERK, without), clock=loop_clock()) as site:
        await asyncio.sleep(10)

        names = ("warm_bots_wanted", "warm_idle_seconds_total", "warm_claims_total")
        assert [agents_with(site, name) for name in names] == [{"clerk"}] * 3


@at_once
async def test_idle_time_grows_by_a_second_for_each_second_of_each_ready_bot() -> None:
    async with shop(definition=TWO, ready=2) as (site, _):
        began, idle = asyncio.get_running_loop().time(), idle_seconds(site)
        for _ in range(3):
            await asyncio.sleep(20)
            passed = asyncio.get_running_loop().time() - began
            assert idle_seconds(site) - idle == pytest.approx(2 * passed, abs=1)


@at_once
async def test_bots_that_are_starting_or_have_a_session_are_not_idle() -> None:
    async with shop(Habit.CONFIRMS, Habit.NEVER_READY, definition=TWO) as (site, _):
        await site.start(agent="clerk")
        await asyncio.sleep(1)
        idle = idle_seconds(site)
        await asyncio.sleep(10)

        assert idle_seconds(site) == idle


@at_once
async def test_a_controller_that_may_not_launch_bots_counts_no_idle_time() -> None:
    async with shop(definition=TWO, ready=2) as (site, _):
        pool = site.app.state.services.supervisor.pool
        can_launch = pool._can_launch
        pool._can_launch = lambda: False
        await asyncio.sleep(1)
        idle = idle_seconds(site)
        await asyncio.sleep(60)
        pool._can_launch = can_launch
        await asyncio.sleep(2)

        assert 0 < idle_seconds(site) - idle < 5


@at_once
async def test_each_bot_that_becomes_ready_observes_how_long_it_took() -> None:
    async with shop(Habit.CONFIRMS, Habit.NEVER_READY, definition=TWO) as (site, _):
        scrape = Scrape(site.metrics.registry)

        assert scrape.value("warm_start_seconds_count") == 1
        assert 0 < scrape.value("warm_start_seconds_sum") < 1


@at_once
async def test_a_claim_observes_how_long_its_bot_had_been_ready() -> None:
    async with shop() as (site, _):
        await ready_bots(site, 1)
        await asyncio.sleep(90)
        await site.start(agent="clerk")
        scrape = Scrape(site.metrics.registry)

        assert scrape.value("warm_wait_seconds_count") == 1
        assert scrape.value("warm_wait_seconds_sum") == pytest.approx(90, abs=1)


@at_once
async def test_a_claim_that_comes_to_nothing_observes_no_wait() -> None:
    async with shop(Habit.IGNORES) as (site, _):
        session = await site.start(agent="clerk")

        assert session["cold_start"] is True
        assert Scrape(site.metrics.registry).value("warm_wait_seconds_count") == 0


def test_agents_beyond_the_bound_share_a_series() -> None:
    registry = CollectorRegistry()
    metrics = WarmMetrics(registry, BoundedValues(limit=1))
    for name in ("clerk", "porter", "cook"):
        metrics.agent_known(name)
        metrics.idled(name, 2.0)

    scrape = Scrape(registry)
    assert scrape.value("warm_idle_seconds_total", agent="clerk") == 2
    assert scrape.value("warm_idle_seconds_total", agent=OTHER) == 4
