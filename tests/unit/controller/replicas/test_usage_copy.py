"""A standby knows what sessions have used, as far as the leader has told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.endings import ending_for
from controller.core.leadership import SoleController
from controller.core.runtime import Observation
from controller.core.session import Session, Timeline
from controller.replicas import usage_copy
from controller.replicas.usage_copy import UsageCopy, UsageLines
from podline.contract.reasons import Reason
from podline.contract.usage import ModelUsage, Usage
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.leadership import FakeLeadership
from tests.unit.controller.replicas.standing import ANOTHER, OTHER, FakeLink, standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USED = Usage(turns=3, models={"m": ModelUsage(prompt_tokens=70)})


def session(launch: str = "launch-1", usage: Usage = USED) -> Session:
    return Session(
        id=f"session-of-{launch}",
        user_id="ana",
        launch_id=launch,
        request_hash="",
        room_provider="webrtc",
        max_duration_seconds=60,
        timeline=Timeline(accepted=NOW),
        usage=usage,
    )


def ended(of: Session) -> Session:
    return of.ended(ending_for(Reason.CALLER_LEFT), NOW)


def copy() -> UsageCopy:
    return UsageCopy(SoleController(), FakeLink())


def told(lines: UsageLines, *states: Session) -> list[bytes]:
    return [line for line in map(lines.of, states) if line is not None]


def test_what_a_session_has_used_is_known_to_the_standby() -> None:
    kept = copy()
    for line in told(UsageLines(), session()):
        kept.take(line)

    assert kept.of("launch-1") == USED
    assert kept.of("launch-2") is None


def test_a_change_of_anything_else_is_not_told() -> None:
    first = session()

    assert len(told(UsageLines(), first, replace(first, room_url="https://rooms.example.com/r"))) == 1
    assert told(UsageLines(), session(usage=Usage())) == []


def test_what_a_session_had_used_by_its_end_is_told_once_and_kept() -> None:
    """The leader may be lost before it is on the session's Job."""
    kept, lines, last = copy(), UsageLines(), Usage(turns=9)
    for line in told(lines, session(), ended(session(usage=last)), ended(session(usage=Usage(turns=1)))):
        kept.take(line)

    assert kept.of("launch-1") == last


def test_a_session_that_had_ended_before_is_not_told() -> None:
    assert told(UsageLines(), ended(session())) == []


def test_no_more_sessions_are_kept_than_the_limit_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_copy, "MOST_SESSIONS", 2)
    kept = copy()
    for line in told(UsageLines(), session("a"), session("b"), session("a", Usage(turns=9)), session("c")):
        kept.take(line)

    assert list(kept.sessions) == ["a", "c"]


@given(st.binary() | st.sampled_from([b"{}", b'{"launch":7}', b'{"launch":"x","usage":7}', b"[" * 5000]))
def test_a_line_that_can_not_be_read_tells_nothing(line: bytes) -> None:
    kept = copy()
    kept.take(line)

    assert kept.of("x") is None


@at_once
async def test_a_leader_knows_what_a_bot_had_used_that_reports_only_to_the_former_one() -> None:
    async with standing() as stand:
        await stand.follows()
        for line in told(UsageLines(), session()):
            stand.replica.usage.take(line)
        await stand.leads()
        found = session(usage=Usage(turns=1)).marked(joined=NOW)
        await stand.runtime.observe(Observation(launch_id=found.launch_id, found=found))
        await stand.runtime.exit("launch-1")

        over = stand.supervisor.registry.get(found.id).session
        assert over.phase.is_end
        assert over.usage == USED
        assert over.usage_is_partial


@at_once
async def test_a_standby_reads_from_each_next_leader_and_not_for_longer_than_it_leads() -> None:
    leadership, link = FakeLeadership(), FakeLink()
    kept = UsageCopy(leadership, link)
    leadership.follows(OTHER)
    following = asyncio.create_task(kept.follow())
    await asyncio.sleep(5)
    link.told = told(UsageLines(), session())
    leadership.follows(ANOTHER)
    await asyncio.sleep(5)
    leadership.leads()
    await following

    assert link.read == [OTHER, ANOTHER]
    assert kept.of("launch-1") == USED
