"""A bot that waits for its call: what it reports, what it takes, and when it is of no more use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from podline.contract import environment as env
from podline.contract.encoding import encode
from podline.contract.messages import (
    MAX_ASSIGNMENT_BYTES,
    Assignment,
    AssignmentMessage,
    OfferMessage,
    StopMessage,
    UnknownMessage,
)
from podline.contract.usage import Usage
from podline.errors import ConfigInvalid
from podline.runner.channel.client import Pace
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.waiting import take_variables, wait_for_call
from testing.fakes.bots.bot_controller import FakeController

QUICK = Pace(
    request_timeout=2.0,
    poll_timeout=2.0,
    first_pause=0.01,
    longest_pause=0.02,
    confirm_timeout=0.2,
    confirm_within=0.5,
    empty_poll_at_least=0.0,
)
MINE = Assignment({"SESSION_ID": "session-1", "USER_ID": "ana"})
WARM = {"PODLINE_WARM": "true", "PODLINE_PRELOAD": "false", "PODLINE_LAUNCH_ID": "launch-1"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeController]:
    async with FakeController() as fake:
        yield fake


@pytest.fixture
def outbox() -> Outbox:
    outbox = Outbox(lambda: 1.5)
    outbox.mark("process_up", ago=1.5)
    return outbox


async def outcome(fake: FakeController, outbox: Outbox) -> Assignment | CallEnding:
    async with asyncio.timeout(10):
        return await wait_for_call(fake.channel, outbox, QUICK)


async def test_a_bot_reports_once_that_it_is_ready_and_then_only_polls(
    fake: FakeController, outbox: Outbox
) -> None:
    waiting = asyncio.create_task(outcome(fake, outbox))
    await fake.until(lambda: len(fake.polls) >= 5)
    waiting.cancel()

    [report] = fake.reports
    assert (report.seq, report.acked, report.events, report.totals) == (1, 0, [], Usage())
    assert (report.timeline.now, report.timeline.process_up, report.timeline.joined) == (1.5, 0.0, None)


async def test_a_report_that_is_lost_is_sent_again_as_the_same_one(
    fake: FakeController, outbox: Outbox
) -> None:
    fake.refusals.append(503)
    fake.answers_to_lose = 1
    waiting = asyncio.create_task(outcome(fake, outbox))
    await fake.until(lambda: bool(fake.polls))
    waiting.cancel()

    assert [report.seq for report in fake.reports] == [1, 1, 1]
    assert outbox.report().seq == 2, "the call's reports follow on it"


async def test_an_assigned_call_is_confirmed_and_taken(fake: FakeController, outbox: Outbox) -> None:
    fake.inbox, fake.assignments = [AssignmentMessage("m1", "session-1")], {"m1": MINE}

    assert await outcome(fake, outbox) == MINE
    assert fake.answers["m1"].body == {}


async def test_a_confirmation_whose_answer_is_lost_is_repeated(fake: FakeController, outbox: Outbox) -> None:
    fake.inbox, fake.assignments = [AssignmentMessage("m1", "session-1")], {"m1": MINE}
    fake.answer_refusals.append(503)
    fake.confirmations_to_lose = 1

    assert await outcome(fake, outbox) == MINE
    assert fake.confirmed == ["m1", "m1", "m1"]


async def test_a_bot_whose_confirmation_is_never_answered_takes_no_other_call(
    fake: FakeController, outbox: Outbox
) -> None:
    fake.inbox = [AssignmentMessage("m1", "session-1"), AssignmentMessage("m2", "session-2")]
    fake.confirmations_to_lose = 1_000

    ending = await outcome(fake, outbox)

    assert isinstance(ending, CallEnding)
    assert ending.reason == "terminated"
    assert set(fake.confirmed) == {"m1"}


@pytest.mark.parametrize("status", [404, 410, 204])
async def test_a_bot_that_is_not_wanted_any_more_waits_for_another_call(
    fake: FakeController, outbox: Outbox, status: int
) -> None:
    fake.inbox = [AssignmentMessage("m1", "session-1"), AssignmentMessage("m2", "session-2")]
    fake.assignments = {"m2": MINE}
    fake.answer_refusals.append(status)

    assert await outcome(fake, outbox) == MINE
    assert fake.confirmed == ["m1", "m2"]


@pytest.mark.parametrize("status", [401, 409])
async def test_a_bot_whose_launch_is_over_ends_quietly(
    fake: FakeController, outbox: Outbox, status: int
) -> None:
    fake.inbox = [AssignmentMessage("m1", "session-1"), AssignmentMessage("m2", "session-2")]
    fake.answer_refusals.append(status)

    ending = await outcome(fake, outbox)

    assert isinstance(ending, CallEnding)
    assert ending.reason == "terminated"
    assert fake.confirmed == ["m1"]


@pytest.mark.parametrize("status", [401, 409])
async def test_a_bot_that_may_not_poll_ends_quietly(
    fake: FakeController, outbox: Outbox, status: int
) -> None:
    fake.inbox_status = status

    ending = await outcome(fake, outbox)

    assert isinstance(ending, CallEnding)
    assert ending.reason == "terminated"


async def test_a_bot_that_is_refused_before_it_is_ready_ends_quietly(
    fake: FakeController, outbox: Outbox
) -> None:
    fake.refusals.append(409)

    ending = await outcome(fake, outbox)

    assert isinstance(ending, CallEnding)
    assert ending.reason == "terminated"
    assert fake.polls == []


async def test_a_stop_ends_the_wait(fake: FakeController, outbox: Outbox) -> None:
    fake.inbox = [StopMessage("m1"), AssignmentMessage("m2", "session-1")]

    ending = await outcome(fake, outbox)

    assert isinstance(ending, CallEnding)
    assert ending.reason == "terminated"
    assert fake.confirmed == ["m1"]


async def test_what_a_bot_without_a_call_can_t_do_is_refused(fake: FakeController, outbox: Outbox) -> None:
    fake.inbox = [
        OfferMessage("m1", {}),
        UnknownMessage("m2", "of_a_later_release"),
        AssignmentMessage("m3", "session-1"),
    ]
    fake.assignments = {"m3": MINE}

    assert await outcome(fake, outbox) == MINE
    assert {fake.answers["m1"].refusal, fake.answers["m2"].refusal} == {
        "This bot waits for a call, and has no caller yet."
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"no JSON", "Invalid JSON"),
        (json.dumps({"environment": {"A_KEY": 1}}).encode(), "valid string"),
        (json.dumps({"environment": ["A_KEY"]}).encode(), "should be an object"),
        (encode(Assignment({"A_KEY": "x" * MAX_ASSIGNMENT_BYTES})), "It is longer than 131072 bytes"),
    ],
    ids=["no JSON", "no text", "no names", "too much"],
)
async def test_an_assignment_that_can_t_be_read_ends_the_call_that_may_have_begun(
    fake: FakeController, outbox: Outbox, answer: bytes, said: str
) -> None:
    fake.inbox, fake.assignments = [AssignmentMessage("m1", "session-1")], {"m1": answer}

    with pytest.raises(ConfigInvalid) as caught:
        await outcome(fake, outbox)

    assert said in caught.value.message
    assert "A_KEY" not in caught.value.message
    assert fake.confirmed == ["m1"]


def test_variables_are_set_as_if_the_process_had_begun_with_them() -> None:
    environment = {
        **WARM,
        "PODLINE_BOT_FILE": "/app/bot.py",
        "PODLINE_LAST_WORD": "/dev/termination-log",
        "A_KEY": "old",
    }

    take_variables(
        environment,
        {
            "SESSION_ID": "session-1",
            "A_KEY": "new",
            "a.key-2": "",
            "PODLINE_LAUNCH_ID": "launch-1",
            "PODLINE_BOT_FILE": "bot.py",
            "PODLINE_LAST_WORD": "elsewhere",
        },
    )

    assert environment == {
        "SESSION_ID": "session-1",
        "A_KEY": "new",
        "a.key-2": "",
        "PODLINE_LAUNCH_ID": "launch-1",
        "PODLINE_BOT_FILE": "/app/bot.py",
        "PODLINE_LAST_WORD": "/dev/termination-log",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PODLINE_WARM", "true"),
        ("PODLINE_PRELOAD", "true"),
        ("PODLINE_DRY_START", "true"),
        ("PODLINE_LAUNCH_ID", "launch-2"),
        ("", "secret-value"),
        ("A=B", "secret-value"),
        ("2ND", "secret-value"),
        ("A KEY", "secret-value"),
        ("A\nKEY", "secret-value"),
        ("A" * 300, "secret-value"),
        ("A_KEY", "secret-value\0"),
        ("A_KEY", "secret-value\ud800"),
    ],
)
def test_a_variable_that_can_t_be_set_is_named_and_none_is_set(name: str, value: str) -> None:
    environment = dict(WARM)

    with pytest.raises(ConfigInvalid) as caught:
        take_variables(environment, {"SESSION_ID": "session-1", name: value})

    assert environment == WARM
    assert "secret-value" not in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_the_names_of_a_start_are_the_runner_s_own() -> None:
    assert all(env.is_reserved(name) for name in env.OF_A_START | env.OF_A_PROCESS)
