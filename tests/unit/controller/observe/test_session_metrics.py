"""What metrics say of sessions: each start and end once, by stage and reason; and of requests."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.core.endings import ending_for
from controller.core.errors import RoomsUnavailable
from controller.core.session import Timeline
from controller.observe.metrics import stages
from controller.observe.usage_metrics import exemplar_of
from podline.contract.arithmetic import used_by
from podline.contract.messages import BotTimeline, FinalReport, Report
from podline.contract.reading import read_report
from podline.contract.reasons import Reason
from podline.contract.usage import Usage
from testing.fakes.bots.reported import EVENTS, batch, gone, scrape, until
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.sessions import some_session
from testing.fakes.controllers.site import Site, serve_site

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


async def test_a_start_is_counted_and_so_is_each_refusal_by_its_code() -> None:
    async with serve_site(capacity=1) as site:
        await site.start(session_id="one")
        await site.start(session_id="one")
        for body in ({"user_id": "bo"}, {"user_id": "bo", "session_id": "one"}, {"nobody": 1}, {}):
            await site.client.post("/v1/sessions", json=body)
        await site.client.post("/v1/sessions", content=b" " * 65537)

    seen = scrape(site)
    assert seen.total("session_starts_total") == 1
    codes = {"capacity_reached": 1, "session_conflict": 1, "invalid_request": 2, "body_too_large": 1}
    for code, times in codes.items():
        assert seen.total("session_refusals_total", code=code) == times, code
    assert seen.total("session_refusals_total") == 5


async def test_rooms_that_cannot_be_made_are_a_refusal_and_a_failed_end(site: Site) -> None:
    site.rooms.refusal = RoomsUnavailable("The provider says no.")
    assert (await site.client.post("/v1/sessions", json={"user_id": "ana"})).status_code == 503

    seen = scrape(site)
    assert seen.total("session_refusals_total", code="rooms_unavailable") == 1
    assert seen.total("session_ends_total", phase="failed", reason="launch_failed") == 1
    assert seen.value("session_furthest_stage_total", phase="failed", stage="accepted") == 1


async def test_gauges_are_how_things_stand_at_the_scrape(site: Site) -> None:
    one, two = await site.start("ana"), await site.start("bo")
    await site.as_bot(one["id"], "POST", "reports", json=batch(joined=9.0))
    seen = scrape(site)
    assert (seen.value("sessions", phase="live"), seen.value("sessions", phase="starting")) == (1, 1)
    assert (seen.value("sessions_running"), seen.value("sessions_capacity")) == (2, 20)
    assert seen.value("ready") == 1

    await gone(site, one)
    await gone(site, two)
    seen = scrape(site)
    assert seen.value("sessions", phase="live") == 0
    assert seen.total("sessions") == 2
    assert seen.value("sessions_running") == 0


async def test_what_waits_is_shown(site: Site) -> None:
    site.runtime.may_launch.clear()
    asking = asyncio.create_task(site.start())
    await until(lambda: scrape(site).value("backlog", queue="launches") == 1)
    site.runtime.may_launch.set()
    session = await asking
    assert scrape(site).value("backlog", queue="launches") == 0

    offer = {"sdp": "v=0", "type": "offer"}
    offering = asyncio.create_task(site.client.post(site.offers_of(session["id"]), json=offer))
    await until(lambda: scrape(site).value("backlog", queue="messages") == 1)
    assert scrape(site).value("backlog", queue="offers") == 1
    await gone(site, session)
    await offering
    assert scrape(site).total("backlog") == 0


async def test_the_stages_of_a_start_add_up_to_the_whole_and_are_told_once(site: Site) -> None:
    session = await site.start()
    marks: dict[str, Any] = {"process_up": 7.0, "joined": 8.0, "caller_joined": 9.0}
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, **marks))
    assert scrape(site).total("session_start_stage_seconds_count") == 0
    for seq in (2, 3):
        await site.as_bot(session["id"], "POST", "reports", json=batch(seq, **marks, first_speech=9.5))
    await gone(site, session)

    seen = scrape(site)
    record = (await site.read(session["id"]))["timeline"]
    whole = datetime.fromisoformat(record["first_speech"]) - datetime.fromisoformat(record["accepted"])
    assert seen.value("session_start_seconds_count") == 1
    assert seen.value("session_start_seconds_sum") == pytest.approx(whole.total_seconds())
    assert seen.total("session_start_stage_seconds_sum") == pytest.approx(whole.total_seconds())
    assert seen.value("session_start_stage_seconds_count", stage="first_speech") == 1
    assert seen.value("session_start_stage_seconds_count", stage="scheduled") == 0
    assert seen.value("session_furthest_stage_total", phase="failed", stage="first_speech") == 1


async def test_a_start_that_went_nowhere_is_told_at_its_end(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, process_up=7.0))
    await gone(site, session, exit_code=67)

    seen = scrape(site)
    assert seen.value("session_start_seconds_count") == 0
    assert seen.value("session_start_stage_seconds_count", stage="process_up") == 1
    assert seen.value("session_start_stage_seconds_count", stage="joined") == 0
    assert seen.value("session_furthest_stage_total", phase="failed", stage="process_up") == 1
    assert seen.value("session_duration_seconds_count", phase="failed") == 1


@pytest.mark.parametrize(
    ("exit_code", "reason", "phase"), [(0, "no_caller", "ended"), (66, "room_lost", "failed")]
)
async def test_a_bot_that_failed_before_its_caller_came_is_told_from_one_to_which_nobody_came(
    site: Site, exit_code: int, reason: str, phase: str
) -> None:
    session = await site.start()
    marks: dict[str, Any] = {"process_up": 7.0, "joined": 8.0}
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, **marks))
    word = FinalReport(reason, "Bye.", Usage(), Usage(), BotTimeline(now=10, **marks))
    await gone(site, session, word, exit_code=exit_code)

    seen = scrape(site)
    assert seen.value("session_furthest_stage_total", phase=phase, stage="joined") == 1
    assert seen.total("session_furthest_stage_total") == 1


def test_stages_that_were_not_seen_leave_no_gap() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    at = [began + timedelta(seconds=seconds) for seconds in (0, 1, 3, 6)]
    timeline = Timeline(accepted=at[0], launched=at[1], joined=at[2], first_speech=at[3])

    assert stages(timeline) == [("launched", 1), ("joined", 2), ("first_speech", 3)]


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("is_protected", [True, False])
async def test_the_trace_of_a_session_is_an_exemplar_where_metrics_are_protected(
    is_protected: bool,  # noqa: FBT001
) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    session = some_session(
        id="find-me",
        trace={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        timeline=Timeline(accepted=began),
    )
    metrics = some_metrics()
    metrics.started(session)
    events = read_report(json.dumps(batch(1, EVENTS)).encode())[0].events
    metrics.batch_added(session, Report(1, 0, events, Usage(), BotTimeline(now=1)), used_by(events))
    metrics.start_is_over(session.marked(first_speech=began))
    metrics.ended(session.ended(ending_for(Reason.COMPLETED), began))
    content, _ = metrics.show(OPENMETRICS["Accept"], exemplars=is_protected)

    samples = [each for family in text_string_to_metric_families(content.decode()) for each in family.samples]
    led_to = {each.name for each in samples if each.exemplar and each.exemplar.labels == {"trace_id": TRACE}}
    expected = {
        "podline_session_starts_total",
        "podline_session_start_seconds_bucket",
        "podline_session_start_stage_seconds_bucket",
        "podline_session_ends_total",
        "podline_session_duration_seconds_bucket",
        "podline_response_latency_seconds_bucket",
        "podline_model_first_byte_seconds_bucket",
        "podline_tool_call_duration_seconds_bucket",
        "podline_silences_total",
        "podline_turns_unanswered_total",
        "podline_answers_requested_total",
        "podline_model_reconnects_total",
        "podline_model_reseeds_total",
        "podline_bot_errors_total",
    }
    assert led_to == (expected if is_protected else set())
    assert (TRACE in content.decode()) is is_protected
    assert "find-me" not in content.decode()


@pytest.mark.parametrize("header", ["", "find-me", f"00-{TRACE}", f"00-{TRACE}x-b7ad6b7169203331-01"])
async def test_what_is_no_trace_is_no_exemplar(header: str) -> None:
    assert exemplar_of(some_session(trace={"traceparent": header} if header else {})) is None


async def test_requests_are_told_by_template_method_and_status(site: Site) -> None:
    session = await site.start()
    await site.read(session["id"])
    await site.read("nobody")
    await site.client.get("/no/such/place")
    await site.client.request("BREW", "/livez")
    await site.client.get("/")

    seen = scrape(site)
    route = "/v1/sessions/{session_id}"
    assert seen.value("requests_total", method="GET", route=route, code="200") == 1
    assert seen.value("requests_total", method="GET", route=route, code="404") == 1
    assert seen.value("request_duration_seconds_count", method="GET", route=route) == 2
    assert seen.value("requests_total", method="GET", route="none", code="404") == 1
    assert seen.value("requests_total", method="other", route="/livez", code="405") == 1
    assert seen.value("requests_total", method="GET", route="page", code="200") == 1
