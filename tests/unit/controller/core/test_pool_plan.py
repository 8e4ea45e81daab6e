"""How many warm bots wait for an agent's calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.agents import AgentDefinition
from controller.core.pool_plan import (
    MOST_AT_ONCE,
    MOST_AUTOMATIC,
    MOST_PER_SECOND,
    OLDEST_SECONDS,
    Failures,
    PoolPlan,
    PoolView,
    SeenBot,
    WarmStage,
    automatic_buffer,
    has_pool,
    plan,
)

STARTING, READY, LEAVING = WarmStage.STARTING, WarmStage.READY, WarmStage.LEAVING


def agent(**fields: Any) -> AgentDefinition:
    return AgentDefinition(name="clerk", **fields)


def bots(ready: int = 0, starting: int = 0, leaving: int = 0, **fields: Any) -> list[SeenBot]:
    stages = [READY] * ready + [STARTING] * starting + [LEAVING] * leaving
    prefix = "-".join(f"{name}={value}" for name, value in fields.items())
    return [
        SeenBot(launch_id=f"{prefix}{stage}-{number}", stage=stage, **fields)
        for number, stage in enumerate(stages)
    ]


def planned(
    definition: AgentDefinition | None, capacity: int = 100, running: int | None = None, **view: Any
) -> PoolPlan:
    pool = PoolView(definition=definition, **{"in_use": 0, **view})
    running = pool.in_use if running is None else running
    return plan({"clerk": pool}, capacity, running, now=1000.0)["clerk"]


@pytest.mark.parametrize(
    ("definition", "in_use", "wanted"),
    [
        (agent(), 0, 0),
        (agent(min_agents=3), 0, 3),
        (agent(min_agents=3), 2, 1),
        (agent(min_agents=3), 5, 0),
        (agent(buffer=2), 0, 2),
        (agent(buffer=2), 7, 2),
        (agent(min_agents=3, buffer=2), 0, 3),
        (agent(min_agents=3, buffer=2), 2, 2),
        (agent(buffer=5, max_agents=6), 4, 2),
        (agent(min_agents=2, max_agents=6), 6, 0),
        (agent(min_agents=2, max_agents=6), 8, 0),
    ],
)
def test_as_many_wait_as_the_definition_asks_for(
    definition: AgentDefinition, in_use: int, wanted: int
) -> None:
    assert planned(definition, in_use=in_use).wanted == wanted


def test_the_capacity_of_the_installation_is_shared_and_what_must_wait_comes_first() -> None:
    pools = {
        "a": PoolView(definition=agent(min_agents=1, buffer=8), in_use=0),
        "b": PoolView(definition=agent(min_agents=4), in_use=0),
    }
    plans = plan(pools, capacity=8, running=2, now=0.0)

    assert (plans["a"].wanted, plans["b"].wanted) == (2, 4)
    assert plans["a"].create + plans["b"].create <= 6
    assert plans["a"].problem == "The capacity leaves room for 2 of 8 warm bots (PODLINE_CAPACITY)."


@pytest.mark.parametrize(
    ("arrivals", "start_seconds", "buffer"),
    [
        ([], [5.0], 0),
        ([500.0], [5.0], 1),
        ([1.0] * 60, [5.0], 5),
        ([1.0] * 61, [5.0], 6),
        ([1.0] * 60, [5.0, 7.0, 100.0], 7),
        ([1.0] * 60, [], 10),
        ([601.0] * 60, [5.0], 0),
        ([300.0] * 600, [3.0], 3),
        ([1.0] * 2000, [60.0], MOST_AUTOMATIC),
    ],
)
def test_the_automatic_buffer_covers_the_calls_that_come_while_a_bot_starts(
    arrivals: list[float], start_seconds: list[float], buffer: int
) -> None:
    assert automatic_buffer(arrivals, start_seconds) == buffer
    assert planned(agent(buffer="auto"), arrivals=arrivals, start_seconds=start_seconds).wanted == buffer


def test_an_agent_without_a_minimum_and_a_buffer_has_no_pool() -> None:
    assert not has_pool(agent())
    assert has_pool(agent(min_agents=1))
    assert has_pool(agent(buffer=1))
    assert has_pool(agent(buffer="auto"))


@pytest.mark.parametrize(
    ("view", "create"),
    [
        ({}, MOST_AT_ONCE),
        ({"unanswered": 3}, 1),
        ({"unanswered": 4}, 0),
        ({"created": MOST_PER_SECOND - 1}, 1),
        ({"created": MOST_PER_SECOND}, 0),
        ({"bots": bots(ready=15, starting=3)}, 2),
        ({"bots": bots(ready=20)}, 0),
    ],
)
def test_bots_are_created_a_few_at_a_time(view: dict[str, Any], create: int) -> None:
    assert planned(agent(min_agents=20), **view).create == create


def test_after_a_failure_one_bot_is_tried_at_a_time_and_after_a_pause() -> None:
    failed = Failures().failed("It crashed.", now=1000.0)
    assert planned(agent(min_agents=5), failures=failed).create == 0
    assert planned(agent(min_agents=5), failures=failed).problem == "It crashed."

    failed = Failures().failed("It crashed.", now=990.0)
    assert planned(agent(min_agents=5), failures=failed).create == 1
    assert planned(agent(min_agents=5), failures=failed, bots=bots(starting=1)).create == 0
    assert planned(agent(min_agents=5), failures=failed, bots=bots(ready=1)).create == 1


@pytest.mark.parametrize("replaced", [{"is_current": False}, {"age": OLDEST_SECONDS}])
def test_bots_to_be_replaced_do_not_hide_why_their_successors_fail(replaced: dict[str, Any]) -> None:
    failed = Failures().failed("It crashed.", now=999.5)
    kept = planned(agent(min_agents=2), bots=bots(ready=2, **replaced), failures=failed)

    assert (kept.problem, kept.give_up) == ("It crashed.", ())
    assert planned(agent(min_agents=2), bots=bots(ready=2), failures=failed).problem is None


def test_the_pause_doubles_up_to_a_minute_and_one_trouble_counts_once() -> None:
    failures, now, pauses = Failures(), 0.0, []
    for _ in range(9):
        failures = failures.failed("It crashed.", now)
        assert failures.failed("It crashed too.", now + 0.5).count == failures.count
        pauses.append(failures.retry_at - now)
        now = failures.retry_at

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_bots_of_a_former_version_leave_once_their_successors_are_ready() -> None:
    old = bots(ready=2, is_current=False)
    first = planned(agent(min_agents=2), bots=old)
    assert (first.create, first.give_up) == (2, ())

    starting = planned(agent(min_agents=2), bots=[*old, *bots(starting=2)])
    assert (starting.create, starting.give_up) == (0, ())

    half = planned(agent(min_agents=2), bots=[*old, *bots(starting=1, ready=1)])
    assert len(half.give_up) == 1

    done = planned(agent(min_agents=2), bots=[*old, *bots(ready=2)])
    assert set(done.give_up) == {each.launch_id for each in old}


def test_a_former_version_makes_way_if_there_is_no_room_for_its_successor() -> None:
    old = bots(ready=2, is_current=False)
    definition = agent(min_agents=2, max_agents=2)
    first = planned(definition, bots=old)
    assert (first.create, len(first.give_up)) == (0, 1)

    assert planned(definition, bots=[old[0], *bots(leaving=1)]).give_up == ()
    assert planned(definition, bots=old[:1]).create == 1


def test_a_bot_that_has_waited_for_an_hour_is_replaced() -> None:
    old = bots(ready=1, age=OLDEST_SECONDS)
    assert planned(agent(min_agents=1), bots=old).create == 1
    assert planned(agent(min_agents=1), bots=[*old, *bots(ready=1)]).give_up == (old[0].launch_id,)


def test_what_nobody_needs_leaves_and_what_is_not_ready_leaves_first() -> None:
    both = bots(ready=2, starting=2)
    assert set(planned(agent(min_agents=2), bots=both).give_up) == {each.launch_id for each in both[2:]}
    assert len(planned(agent(), bots=both).give_up) == 4
    assert len(planned(None, bots=both).give_up) == 4


def test_a_full_agent_says_why_none_waits() -> None:
    full = planned(agent(min_agents=1, max_agents=2), in_use=2)
    assert full.problem == "All 2 bots that the agent may have are in use (scaling.max_agents)."


definitions = st.builds(
    AgentDefinition,
    name=st.just("clerk"),
    min_agents=st.integers(0, 8),
    max_agents=st.none() | st.integers(1, 12),
    buffer=st.integers(0, 8) | st.just("auto"),
)
seen_bots = st.lists(
    st.builds(
        SeenBot,
        launch_id=st.uuids().map(str),
        stage=st.sampled_from([STARTING, READY, LEAVING]),
        is_current=st.booleans(),
        age=st.sampled_from([0.0, 5000.0]),
    ),
    max_size=12,
)
views = st.builds(
    PoolView,
    definition=st.none() | definitions,
    in_use=st.integers(0, 8),
    bots=seen_bots,
    arrivals=st.lists(st.floats(0, 700), max_size=50),
    unanswered=st.integers(0, 5),
    created=st.integers(0, 12),
    failures=st.sampled_from([Failures(), Failures(1, "No.", 5.0), Failures(3, "No.", 20.0)]),
)


@given(pools=st.dictionaries(st.sampled_from("abcd"), views), capacity=st.integers(0, 30))
def test_no_plan_exceeds_a_limit_or_gives_up_what_is_wanted(
    pools: dict[str, PoolView], capacity: int
) -> None:
    running = sum(view.in_use for view in pools.values())
    plans = plan(pools, capacity, running, now=10.0)

    assert plans.keys() == pools.keys()
    held = sum(view.held for view in pools.values())
    created = sum(each.create for each in plans.values())
    assert created == 0 or held + created <= capacity
    assert sum(each.wanted for each in plans.values()) <= max(0, capacity - running)
    for name, view in pools.items():
        each, waiting = plans[name], {bot.launch_id: bot for bot in view.bots if bot.waits}
        most = view.definition.max_agents if view.definition is not None else 0
        assert each.create == 0 or most is None or view.held + each.create <= most
        assert 0 <= each.create <= min(MOST_AT_ONCE, each.wanted)
        assert len(set(each.give_up)) == len(each.give_up)
        assert set(each.give_up) <= waiting.keys()
        fresh_left = [bot for key, bot in waiting.items() if bot.is_fresh and key not in each.give_up]
        fresh = [bot for bot in waiting.values() if bot.is_fresh]
        assert len(fresh_left) == min(len(fresh), each.wanted)
        assert len(fresh_left) + each.create <= max(each.wanted, 0)


@given(definition=definitions, in_use=st.integers(0, 6), capacity=st.integers(1, 20))
def test_plans_that_are_carried_out_come_to_rest_at_what_is_wanted(
    definition: AgentDefinition, in_use: int, capacity: int
) -> None:
    waiting = bots(ready=3, is_current=False)
    each = PoolPlan()
    for turn in range(40):
        view = PoolView(definition=definition, in_use=in_use, bots=waiting)
        each = plan({"clerk": view}, capacity, in_use, now=0.0)["clerk"]
        waiting = [
            SeenBot(launch_id=bot.launch_id, stage=READY, is_current=bot.is_current)
            for bot in waiting
            if bot.launch_id not in each.give_up
        ]
        waiting += [SeenBot(launch_id=f"{turn}-{number}", stage=STARTING) for number in range(each.create)]
    assert len(waiting) == each.wanted
    assert all(bot.is_current for bot in waiting)
    assert each.create == 0
    assert each.give_up == ()
