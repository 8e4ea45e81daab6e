"""What bots tell: counted once, on our clock, and only by the bot of the launch."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.supervision.channel.report_ledger import ReportLedger, moments
from podline.contract.messages import BotTimeline, FinalReport, Report
from podline.contract.usage import Usage
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def batch(seq: int = 1, turns: int = 0, timeline: dict[str, float] | None = None) -> dict[str, Any]:
    return {
        "seq": seq,
        "acked": seq - 1,
        "events": [{"type": "turn"}] * turns,
        "totals": {"turns": turns},
        "timeline": timeline or {"now": 1.0},
    }


@given(st.lists(st.integers(1, 8), max_size=40))
def test_however_often_batches_come_each_is_counted_once(arrivals: list[int]) -> None:
    ledger = ReportLedger()
    counted = []
    for seq in arrivals:
        report = Report(seq=seq, acked=seq - 1, events=[], totals=Usage(), timeline=BotTimeline(now=0))
        if ledger.count(report):
            counted.append(seq)

    assert counted == sorted(set(counted))
    assert ledger.counted == max(arrivals, default=0)


def test_moments_are_converted_by_how_long_ago_they_were() -> None:
    timeline = BotTimeline(now=10.0, process_up=0.5, joined=4.0)
    assert moments(timeline, NOW, NOW - timedelta(hours=1)) == {
        "process_up": NOW - timedelta(seconds=9.5),
        "joined": NOW - timedelta(seconds=6),
    }


def test_no_moment_is_before_the_bot_was_asked_for_or_in_the_future() -> None:
    timeline = BotTimeline(now=10.0, process_up=0.0, joined=99.0)
    earliest = NOW - timedelta(seconds=3)
    assert moments(timeline, NOW, earliest) == {"process_up": earliest, "joined": NOW}


async def test_a_report_feeds_the_record_and_makes_the_session_live(site: Site) -> None:
    session = await site.start()
    timeline = {"now": 2.0, "process_up": 0.5, "joined": 1.5}
    answer = await site.as_bot(session["id"], "POST", "reports", json=batch(1, 2, timeline))

    assert (answer.status_code, answer.json()) == (200, {"ack": 1})
    record = await site.read(session["id"])
    assert (record["phase"], record["usage"]["turns"]) == ("live", 2)
    assert record["timeline"]["joined"] is not None
    assert record["timeline"]["caller_joined"] is None


async def test_a_batch_that_comes_again_is_acknowledged_and_changes_nothing(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, 1))
    await site.as_bot(session["id"], "POST", "reports", json=batch(2, 5))
    again = await site.as_bot(session["id"], "POST", "reports", json=batch(1, 1))

    assert again.json() == {"ack": 2}
    assert (await site.read(session["id"]))["usage"]["turns"] == 5


async def test_a_moment_once_on_record_is_not_moved_by_later_reports(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, timeline={"now": 2.0, "joined": 1.9}))
    first = (await site.read(session["id"]))["timeline"]["joined"]
    await site.as_bot(session["id"], "POST", "reports", json=batch(2, timeline={"now": 9.0, "joined": 8.9}))

    assert (await site.read(session["id"]))["timeline"]["joined"] == first


@pytest.mark.parametrize("token", [None, "wrong", "token-of-another-launch"])
async def test_only_the_bot_of_the_launch_may_speak_for_it(site: Site, token: str | None) -> None:
    session, other = await site.start("ana"), await site.start("bo")
    if token == "token-of-another-launch":
        token = secrets_of(site.runtime.launch_of(other["id"]))["PODLINE_LAUNCH_TOKEN"]
    launch_id = site.runtime.launch_of(session["id"]).session.launch_id
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for method, path in (("POST", "reports"), ("GET", "inbox"), ("POST", "inbox/1")):
        answer = await site.client.request(method, f"/internal/launches/{launch_id}/{path}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_bot_of_a_session_that_has_ended_is_sent_away(site: Site) -> None:
    session = await site.start()
    await site.client.delete(f"/v1/sessions/{session['id']}")
    for method, path, body in (
        ("POST", "reports", batch()),
        ("GET", "inbox", None),
        ("POST", "inbox/1", {"body": {}}),
    ):
        answer = await site.as_bot(session["id"], method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "launch_ended")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"seq": 0, "acked": 0, "events": [], "totals": {}, "timeline": {"now": 1}}',
        b'{"seq": 1, "acked": 0, "events": [{"type": "talk"}], "totals": {}, "timeline": {"now": 1}}',
        (
            b'{"seq": 1, "acked": 0, "totals": {}, "timeline": {"now": 1}, '
            b'"events": [{"type": "mood"}, {"type": "talk"}]}'
        ),
        b'{"seq": 1, "acked": 0, "events": [{"type": 7}], "totals": {}, "timeline": {"now": 1}}',
        b'{"seq": 1, "acked": 0, "events": [{}], "totals": {}, "timeline": {"now": 1}}',
        b'{"seq": 1, "acked": 0, "events": [7], "totals": {}, "timeline": {"now": 1}}',
        b'{"seq": 0, "acked": 0, "events": [{"type": "mood"}], "totals": {}, "timeline": {"now": 1}}',
        b'{"seq": 1, "acked": 0, "events": [], "totals": {"turns": -1}, "timeline": {"now": 1}}',
        b'{"seq": 1, "acked": 0, "events": [], "totals": {}, "timeline": {}}',
    ],
)
async def test_a_malformed_report_is_refused_and_changes_nothing(site: Site, body: object) -> None:
    session = await site.start()
    answer = await site.as_bot(session["id"], "POST", "reports", content=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await site.read(session["id"]))["usage"]["turns"] == 0


async def test_an_answer_that_is_no_text_is_refused(site: Site) -> None:
    session = await site.start()

    answer = await site.as_bot(session["id"], "POST", "inbox/1", content=b'{"refusal": "\xff\xfe"}')

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_report_that_is_too_large_is_refused(site: Site) -> None:
    session = await site.start()
    answer = await site.as_bot(session["id"], "POST", "reports", content=b" " * 65537)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_the_final_report_holds_what_no_report_delivered(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, 2))
    await site.runtime.exit(
        site.runtime.launch_of(session["id"]).session.launch_id,
        exit_code=0,
        final_report=FinalReport(
            "idle", "It was quiet.", Usage(turns=3), Usage(turns=2), BotTimeline(now=9, joined=1)
        ),
    )

    record = await site.read(session["id"])
    assert (record["reason"], record["message"]) == ("idle", "It was quiet.")
    assert (record["usage"]["turns"], record["usage"]["partial"]) == (3, False)
    assert record["timeline"]["joined"] is not None
