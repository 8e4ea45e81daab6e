"""What metrics and records say of what was used and what it cost, whatever happens to reports."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.core.endings import ending_for
from controller.core.runtime import Observation
from controller.core.session import Session, Timeline
from controller.runtimes.final_report import decode_final_report
from controller.supervision.channel.claims import MAX_KINDS
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.reading import read_report
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import ModelUsage, Usage
from testing.fakes.bots.reported import EVENTS, PRICES, TOTALS, batch, gone, scrape
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site, serve_site


@pytest.fixture
async def priced_site() -> AsyncIterator[Site]:
    async with serve_site(prices=PRICES) as site:
        yield site


async def test_each_event_of_a_batch_is_in_its_metric(priced_site: Site) -> None:
    session = await priced_site.start()
    await priced_site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))

    seen = scrape(priced_site)
    assert seen.total("tokens_total", model="gemini", direction="input", modality="audio") == 80
    assert seen.total("tokens_total", model="gemini", direction="input", modality="text") == 20
    assert seen.total("tokens_total") == 100
    assert seen.total("cost_total", model="gemini", currency="EUR") == pytest.approx(820e-6)
    heard, spoke = ({"service": f"OpenAI{each}Service"} for each in ("STT", "TTS"))
    assert seen.value("transcribed_seconds_total", model="whisper", **heard) == 30
    assert seen.value("synthesized_characters_total", model="voice", **spoke) == 50
    priced = {"currency": "EUR", "agent": "shopping"}
    assert seen.value("cost_total", model="whisper", **priced, **heard) == pytest.approx(0.001)
    assert seen.value("cost_total", model="voice", **priced, **spoke) == pytest.approx(0.001)
    assert seen.total("model_first_byte_seconds_sum", model="gemini") == 0.4
    assert seen.value("response_latency_seconds_sum", agent="shopping") == 0.9
    assert seen.value("turns_total", agent="shopping") == 1
    assert seen.value("interruptions_total", agent="shopping") == 1
    assert seen.value("silences_total", after="caller") == 1
    for outcome in ("ok", "error"):
        assert seen.value("tool_calls_total", tool="search_products", outcome=outcome) == 1
    assert seen.value("tool_call_duration_seconds_sum", tool="search_products") == 3.2
    assert seen.value("talk_seconds_total", side="bot") == 2.5
    assert seen.value("turns_unanswered_total", agent="shopping", cause="empty_turn") == 1
    assert seen.value("answers_requested_total") == 1
    assert seen.value("model_reconnects_total", resumed="no") == 1
    assert seen.value("model_reseeds_total") == 1
    assert seen.value("bot_errors_total", kind="network") == 1


@pytest.mark.parametrize(
    ("event", "resumed"), [({"resumed": True}, "yes"), ({"resumed": False}, "no"), ({}, "unknown")]
)
async def test_a_reconnect_counts_by_whether_it_resumed_even_of_a_bot_that_does_not_say(
    site: Site, event: dict[str, Any], resumed: str
) -> None:
    session = await site.start()
    report = batch(1, [{"type": "model_reconnect", **event}])
    answer = await site.as_bot(session["id"], "POST", "reports", json=report)

    assert answer.status_code == 200
    seen = scrape(site)
    assert seen.value("model_reconnects_total", resumed=resumed) == seen.total("model_reconnects_total") == 1


async def test_a_batch_sent_again_adds_nothing(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))
    before = scrape(site)
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))

    after = scrape(site)
    for name in ("tokens_total", "turns_total", "tool_calls_total", "response_latency_seconds_count"):
        assert after.total(name) == before.total(name)
    assert after.value("report_batches_total", outcome="added") == 1
    assert after.value("report_batches_total", outcome="repeated") == 1


async def test_the_last_word_adds_what_no_batch_carried_and_nothing_twice(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))
    # The acknowledgement never came: the bot does not know that the batch was counted.
    models = {
        "gemini": ModelUsage(prompt_tokens=150, input_audio_tokens=80),
        "whisper": ModelUsage(audio_seconds=30),
        "voice": ModelUsage(characters=90),
    }
    totals = Usage(models=models, turns=3, turns_unanswered=2, interruptions=1)
    await gone(site, session, FinalReport("completed", "Bye.", totals, Usage(), BotTimeline(now=9), acked=0))

    seen = scrape(site)
    assert seen.total("turns_total") == 3
    assert seen.total("tokens_total") == 150
    assert seen.total("transcribed_seconds_total") == 30
    assert seen.total("synthesized_characters_total") == 90
    assert seen.total("tool_calls_total") == 2
    record = await site.read(session["id"])
    assert record["usage"]["models"]["gemini"]["prompt_tokens"] == 150
    assert record["turns_unanswered"] == 2


async def test_a_last_word_that_sums_up_its_tools_adds_only_what_is_new(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))
    claimed = {**TOTALS, "tool_calls": {"other": {"ok": 5, "error": 1}}}
    totals = read_report(json.dumps(batch(2, [], claimed)).encode())[0].totals
    word = FinalReport("completed", "Bye.", totals, Usage(), BotTimeline(now=9), acked=1)
    await gone(site, session, word)

    seen = scrape(site)
    assert seen.value("tool_calls_total", tool="other", outcome="ok") == 4
    assert seen.total("tool_calls_total") == 6


async def test_a_killed_bot_lacks_at_most_what_it_had_not_reported_and_is_told_as_partial(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, {**TOTALS, "turns": 2}))
    await gone(site, session, exit_code=None, signal=9)

    seen = scrape(site)
    assert seen.total("turns_total") == 2
    assert seen.value("sessions_partial_usage_total") == 1
    assert seen.total("session_ends_total", phase="failed", reason="vanished") == 1


ACCEPTED = datetime.now(UTC) - timedelta(minutes=5)
JOINED = Timeline(
    accepted=ACCEPTED, scheduled=ACCEPTED + timedelta(seconds=1), joined=ACCEPTED + timedelta(seconds=3)
)
MARKS: dict[str, Any] = {"process_up": 1.0, "joined": 2.0, "caller_joined": 3.0, "first_speech": 4.0}


async def found(site: Site, **fields: Any) -> Session:
    """A session of another controller's, which ours finds."""
    session = Session(
        id="theirs",
        user_id="ana",
        launch_id="launch-of-theirs",
        request_hash="",
        room_provider="daily",
        max_duration_seconds=60,
        phase=Phase.LIVE,
        timeline=JOINED,
    )
    session = replace(session, **fields)
    await site.runtime.observe(Observation(launch_id=session.launch_id, found=session))
    return session


async def as_found_bot(site: Site, report: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {SIGNER.launch_token('launch-of-theirs')}"}
    answer = await site.client.post(
        "/internal/launches/launch-of-theirs/reports", json=report, headers=headers
    )
    assert answer.status_code == 200


async def test_a_session_found_again_is_no_start_and_its_start_was_told_before(site: Site) -> None:
    await found(site)
    timeline = {"now": 200.0, **MARKS, "first_speech_acked": True}
    await as_found_bot(site, {**batch(5, EVENTS, TOTALS), "timeline": timeline})
    await site.runtime.exit("launch-of-theirs", exit_code=0)

    seen = scrape(site)
    assert seen.total("session_starts_total") == 0
    assert seen.total("session_start_stage_seconds_count") == 0
    assert seen.total("session_ends_total") == 1
    assert seen.value("session_furthest_stage_total", phase="failed", stage="first_speech") == 1
    assert seen.total("turns_total") == 1


@pytest.mark.parametrize("heard_of", ["in a report", "in its final report"])
async def test_a_first_speech_while_no_controller_was_there_is_told_by_the_one_that_hears_of_it(
    site: Site, heard_of: str
) -> None:
    theirs = await found(site, timeline=JOINED)
    if heard_of == "in a report":
        await as_found_bot(site, {**batch(5), "timeline": {"now": 200.0, **MARKS}})
    word = FinalReport("completed", "Bye.", Usage(turns=1), Usage(), BotTimeline(now=210.0, **MARKS), acked=4)
    await site.runtime.exit("launch-of-theirs", exit_code=0, final_report=word)

    seen = scrape(site)
    assert seen.value("session_start_seconds_count") == 1
    assert seen.value("session_start_stage_seconds_count", stage="first_speech") == 1
    assert seen.value("session_furthest_stage_total", phase="ended", stage="first_speech") == 1
    assert seen.total("session_ends_total", phase="ended", reason="completed") == 1
    assert seen.value("session_duration_seconds_count", phase="ended") == 1
    assert (await site.read(theirs.id))["timeline"]["first_speech"] is not None


async def test_a_start_that_got_nowhere_while_no_controller_was_there_is_told_once(site: Site) -> None:
    await found(site, phase=Phase.STARTING, timeline=replace(JOINED, joined=None))
    await site.runtime.exit("launch-of-theirs", exit_code=67)

    seen = scrape(site)
    assert seen.value("session_start_stage_seconds_count", stage="scheduled") == 1
    assert seen.value("session_furthest_stage_total", phase="failed", stage="scheduled") == 1
    assert seen.total("session_ends_total", phase="failed", reason="model_refused") == 1


async def test_how_far_a_start_came_is_unknown_of_a_bot_killed_while_no_controller_was_there(
    site: Site,
) -> None:
    """It may have spoken for an hour: it is no late start."""
    await found(site, timeline=JOINED)
    await site.runtime.exit("launch-of-theirs", exit_code=None, signal=9)

    seen = scrape(site)
    assert seen.value("session_furthest_stage_total", phase="failed", stage="unknown") == 1
    assert seen.total("session_furthest_stage_total") == seen.total("session_ends_total") == 1
    assert seen.total("session_start_stage_seconds_count") == 0
    assert seen.value("sessions_partial_usage_total") == 1


async def test_an_end_that_is_on_record_is_not_counted_again(site: Site) -> None:
    usage = Usage(turns=4)
    ended = datetime.now(UTC)
    session = (await found(site, usage=usage)).ended(ending_for(Reason.COMPLETED), ended)
    before = scrape(site)
    await found(site, id="other", launch_id="x", phase=session.phase, ending=session.ending)
    await site.runtime.exit("x", exit_code=0)

    seen = scrape(site)
    assert seen.total("session_ends_total") == before.total("session_ends_total") == 0
    assert seen.total("turns_total") == 0


async def test_an_end_while_no_controller_was_there_adds_what_none_had_counted(site: Site) -> None:
    await found(site)
    word = FinalReport("completed", "Bye.", Usage(turns=7), Usage(turns=5), BotTimeline(now=9), acked=3)
    await site.runtime.exit("launch-of-theirs", exit_code=0, final_report=word)

    seen = scrape(site)
    assert seen.total("turns_total") == 2
    assert seen.total("session_ends_total") == 1


async def test_what_only_a_newer_bot_can_tell_is_left_out_and_counted_and_the_rest_is_taken(
    site: Site,
) -> None:
    session = await site.start()
    newer = [{"type": "mood", "mood": "cheerful"}, {"type": "gesture"}, {"type": "mood", "mood": "tired"}]
    events = [newer[0], *({**event, "more": {"than": "we know"}} for event in EVENTS), *newer[1:]]
    totals = {**TOTALS, "laughs": 3, "models": {"gemini": {**TOTALS["models"]["gemini"], "video_tokens": 9}}}
    report = {**batch(1, events, totals, first_speech=9.0), "colour": "blue"}
    report["timeline"]["smiled"] = 9.5
    for _ in range(2):
        answer = await site.as_bot(session["id"], "POST", "reports", json=report)
        assert (answer.status_code, answer.json()) == (200, {"ack": 1})

    seen = scrape(site)
    assert seen.value("report_events_unknown_total", kind="mood") == 2
    assert seen.value("report_events_unknown_total", kind="gesture") == 1
    assert seen.total("tokens_total") == 100
    assert seen.total("tool_calls_total") == 2
    assert seen.value("report_batches_total", outcome="refused") == 0
    assert (await site.read(session["id"]))["usage"]["turns"] == 1


async def test_a_last_word_that_tells_more_than_we_know_is_taken(site: Site) -> None:
    totals = {"turns": 4, "laughs": 3, "models": {"gemini": {"prompt_tokens": 7, "video_tokens": 9}}}
    word = {"reason": "completed", "message": "Bye.", "totals": totals, "acked_totals": {}, "more": 1}
    session = await site.start()
    await gone(site, session, decode_final_report(json.dumps({**word, "timeline": {"now": 9, "smiled": 3}})))

    record = await site.read(session["id"])
    assert (record["reason"], record["usage"]["turns"]) == ("completed", 4)
    assert not record["usage"]["partial"]


async def test_of_a_bot_killed_after_its_end_was_decided_usage_is_partial(site: Site) -> None:
    session = await site.start()
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))
    word = FinalReport("idle", "Bye.", Usage(turns=2), Usage(), BotTimeline(now=9), acked=1, is_final=False)
    await gone(site, session, word, exit_code=None, signal=9)

    record = await site.read(session["id"])
    assert record["reason"] == "idle"
    assert record["usage"]["partial"]
    assert scrape(site).value("sessions_partial_usage_total") == 1


async def test_names_from_outside_that_nobody_declared_make_no_series_of_their_own(priced_site: Site) -> None:
    session, before = await priced_site.start(), 0
    for number in range(20):
        names = [f"name-{number}-{each}" for each in range(10)] + ["line\nbreak", "\u202e", "x" * 128]
        events = [
            event
            for name in names
            for event in (
                {"type": "tokens", "model": name, "tokens": {"prompt_tokens": 1}},
                {"type": "first_byte", "model": name, "seconds": 1, "service": name[:64]},
                {"type": "transcribed", "model": name, "seconds": 1, "service": name[:64]},
                {"type": "synthesized", "model": name, "characters": 1, "service": name[:64]},
                {"type": "tool_call", "name": name, "outcome": "ok", "seconds": 1},
                {"type": "error", "kind": name},
                {"type": name},
            )
        ]
        await priced_site.as_bot(session["id"], "POST", "reports", json=batch(number + 1, events))
        if number == 9:
            before = scrape(priced_site).series
    known = {"type": "tokens", "model": "gemini", "tokens": {"prompt_tokens": 1}}
    await priced_site.as_bot(session["id"], "POST", "reports", json=batch(21, [known]))

    seen = scrape(priced_site)
    assert seen.series == before + 2, "the priced model's tokens and cost, and nothing else"
    assert seen.total("tokens_total", model="gemini", direction="input", modality="text") == 1
    assert seen.total("tokens_total") == seen.total("tool_calls_total") + 1 == 261
    for counter, label, values in (
        ("tool_calls_total", "tool", 1),
        ("bot_errors_total", "kind", MAX_KINDS + 1),
        ("report_events_unknown_total", "kind", MAX_KINDS + 1),
        ("tokens_total", "model", 2),
        ("transcribed_seconds_total", "service", 1),
        ("synthesized_characters_total", "service", 1),
    ):
        listed = {dict(labels)[label] for name, labels in seen.samples if name == counter}
        assert len(listed) == values, "the few that one session may bring up, the priced model, and other"
        assert all(name.isprintable() for name in listed)
    assert seen.total("bot_errors_total") == 260


async def test_a_model_nobody_priced_counts_tokens_costs_nothing_and_is_logged_once(
    priced_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    session = await priced_site.start()
    new = {"type": "tokens", "model": "new", "tokens": {"prompt_tokens": 70, "completion_tokens": 7}}
    with caplog.at_level(logging.WARNING):
        for seq in (1, 2):
            totals = {"models": {"new": {"prompt_tokens": 70 * seq, "completion_tokens": 7 * seq}}}
            await priced_site.as_bot(session["id"], "POST", "reports", json=batch(seq, [new], totals))

    seen = scrape(priced_site)
    assert seen.total("tokens_total", model="other") == 154
    assert seen.total("unpriced_tokens_total", model="other") == 154, "nobody has declared it"
    assert seen.total("cost_total") == 0
    assert [record.__dict__["model"] for record in caplog.records] == ["new"]
    cost = (await priced_site.read(session["id"]))["cost"]
    nothing: dict[str, float] = {}
    unpriced = {"models": nothing, "services": nothing, "unpriced_models": ["new"]}
    assert cost == {"currency": "EUR", "amount": 0.0, **unpriced}


async def test_what_is_used_in_a_way_without_a_price_is_counted_by_its_unit(priced_site: Site) -> None:
    session = await priced_site.start()
    events = [
        {"type": "transcribed", "model": "gemini", "seconds": 12, "service": "OpenAISTTService"},
        {"type": "synthesized", "model": "gemini", "characters": 34, "service": "OpenAITTSService"},
    ]
    await priced_site.as_bot(session["id"], "POST", "reports", json=batch(1, events))

    seen = scrape(priced_site)
    assert seen.total("unpriced_transcribed_seconds_total", service="OpenAISTTService") == 12
    assert seen.total("unpriced_synthesized_characters_total", service="OpenAITTSService") == 34
    assert seen.total("unpriced_tokens_total") == seen.total("cost_total") == 0
    assert (await priced_site.read(session["id"]))["cost"]["unpriced_models"] == ["gemini"]


def used(models: dict[str, Any]) -> dict[str, Any]:
    """What a record says of models, without what is zero."""
    return {model: {unit: count for unit, count in each.items() if count} for model, each in models.items()}


async def test_the_record_breaks_usage_down_by_service_and_model(site: Site) -> None:
    session = await site.start()
    told = [
        {"type": "tokens", "model": "m", "tokens": {"prompt_tokens": 3}, "service": "OpenAILLMService"},
        {"type": "tokens", "model": "m", "tokens": {"prompt_tokens": 4}},
        *EVENTS[2:4],
    ]
    await site.as_bot(session["id"], "POST", "reports", json=batch(1, told))

    usage = (await site.read(session["id"]))["usage"]
    assert {service: used(each["models"]) for service, each in usage["services"].items()} == {
        "OpenAILLMService": {"m": {"prompt_tokens": 3}},
        "OpenAISTTService": {"whisper": {"audio_seconds": 30}},
        "OpenAITTSService": {"voice": {"characters": 50}},
    }
    assert usage["models"]["m"]["prompt_tokens"] == 7


async def test_the_record_has_its_cost_beside_its_usage(priced_site: Site, site: Site) -> None:
    session = await priced_site.start()
    await priced_site.as_bot(session["id"], "POST", "reports", json=batch(1, EVENTS, TOTALS))
    await gone(priced_site, session)

    record = await priced_site.read(session["id"])
    assert record["cost"]["amount"] == pytest.approx(2820e-6)
    assert record["cost"]["services"] == {"OpenAISTTService": 0.001, "OpenAITTSService": 0.001}
    assert record["cost"]["amount"] == pytest.approx(scrape(priced_site).total("cost_total"))
    assert "cost" not in record["usage"]
    assert (await site.start())["cost"] is None


@pytest.mark.parametrize("how", ["forged", "oversized", "malformed", "foreign", "ended"])
async def test_a_report_that_is_refused_changes_nothing_and_is_counted(site: Site, how: str) -> None:
    session, other = await site.start("ana"), await site.start("bo")
    launch = site.runtime.launch_of(session["id"])
    token = secrets_of(launch)["PODLINE_LAUNCH_TOKEN"]
    body: dict[str, Any] = {"json": batch(1, EVENTS, TOTALS)}
    if how == "forged":
        token = "wrong"
    elif how == "foreign":
        token = secrets_of(site.runtime.launch_of(other["id"]))["PODLINE_LAUNCH_TOKEN"]
    elif how == "oversized":
        body = {"content": b" " * 65537}
    elif how == "malformed":
        body = {"json": batch(1, [*EVENTS, {"type": "talk", "side": "nobody", "seconds": 1}], TOTALS)}
    elif how == "ended":
        await gone(site, session)
    before = scrape(site)
    path = f"/internal/launches/{launch.session.launch_id}/reports"
    answer = await site.client.post(path, headers={"Authorization": f"Bearer {token}"}, **body)

    seen = scrape(site)
    assert 400 <= answer.status_code < 500
    assert seen.value("report_batches_total", outcome="refused") == 1
    assert seen.value("report_batches_total", outcome="added") == 0
    ours = ("requests_total", "request_duration_seconds", "report_batches_total")
    changed = {
        name
        for (name, labels), each in seen.samples.items()
        if each.value != before.value(name, **dict(labels)) and not name.startswith(("process_", *ours))
    }
    assert changed == set()
