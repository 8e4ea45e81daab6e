"""A bot whose code is bad claims more than it has used: on the record, in money, in metrics."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.observe.prices import ModelPrices, PerModality, PriceList
from testing.fakes.bots.bad_bot import serve_bad_bot, serve_bots_that_write

MODEL = "gemini-3.8-live"
PRICES = PriceList("USD", [ModelPrices(MODEL, date(2020, 1, 1), PerModality(1, 1), PerModality(2, 2))])
MOST = 2**53
MANY_TOKENS = 20_000_000
"""More than any session has used in its first minute."""


def tokens(**counts: int) -> dict[str, Any]:
    return {"type": "tokens", "model": MODEL, "tokens": counts}


HONEST = tokens(prompt_tokens=100, completion_tokens=20)


@pytest.mark.parametrize(
    "claim",
    [
        tokens(prompt_tokens=MOST),
        tokens(completion_tokens=MOST),
        tokens(input_audio_tokens=MOST),
        tokens(cache_read_input_tokens=MOST),
        tokens(cache_read_input_audio_tokens=MOST),
        tokens(output_audio_tokens=MOST),
        tokens(reasoning_tokens=MOST),
        tokens(prompt_tokens=3_000_000),
        tokens(completion_tokens=150_000),
        {"type": "talk", "side": "bot", "seconds": 5000},
        {"type": "talk", "side": "caller", "seconds": 10_000_000},
        {"type": "tool_call", "name": "save_product", "outcome": "ok", "seconds": 9_999},
        {"type": "response_latency", "seconds": 10_000_000},
        {"type": "first_byte", "model": MODEL, "seconds": 9_999},
        {"type": "transcribed", "model": MODEL, "seconds": 10_000_000},
        {"type": "synthesized", "model": MODEL, "characters": MOST},
    ],
)
async def test_an_event_that_cannot_have_happened_is_in_no_counter_record_or_cost(
    tmp_path: Path, claim: dict[str, Any]
) -> None:
    async with serve_bad_bot(tmp_path, prices=PRICES) as bot:
        answer = await bot.report(claim, HONEST)

        assert (answer.status_code, answer.json()) == (200, {"ack": 1})
        record = await bot.record()
        assert record["usage"]["models"][MODEL]["prompt_tokens"] == 100
        assert record["usage"]["talk_seconds"] == {"caller": 0, "bot": 0}
        assert record["usage"]["tool_calls"] == {}
        assert record["cost"]["amount"] == pytest.approx(140e-6)
        assert await bot.value("tokens_total") == 120
        assert await bot.value("cost_total") == pytest.approx(140e-6)
        for name in ("talk_seconds_total", "tool_calls_total", "response_latency_seconds_count"):
            assert await bot.value(name) == 0
        assert await bot.value("report_claims_refused_total", kind=claim["type"]) == 1


async def test_many_claims_each_plausible_alone_are_no_more_than_one_session_can_use(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path, prices=PRICES) as bot:
        for _ in range(10):
            await bot.report(*[tokens(prompt_tokens=2_000_000, completion_tokens=100_000)] * 200)
        record = await bot.record()

        assert 0 < await bot.value("tokens_total") < MANY_TOKENS
        used = record["usage"]["models"][MODEL]
        assert used["prompt_tokens"] + used["completion_tokens"] == await bot.value("tokens_total")
        assert record["cost"]["amount"] < 50


@pytest.mark.parametrize(
    "kind",
    [
        "turn",
        "interruption",
        "turn_unanswered",
        "answer_requested",
        "model_reconnect",
        "model_reseeded",
        "silence",
        "error",
        "tool_call",
    ],
)
async def test_what_can_only_be_counted_is_counted_no_faster_than_it_can_happen(
    tmp_path: Path, kind: str
) -> None:
    more: dict[str, dict[str, Any]] = {
        "silence": {"after": "bot"},
        "turn_unanswered": {"cause": "no_answer"},
        "error": {"kind": "server"},
        "tool_call": {"name": "save_product", "outcome": "error", "seconds": 0},
    }
    async with serve_bad_bot(tmp_path) as bot:
        for _ in range(8):
            assert (await bot.report(*[{"type": kind, **more.get(kind, {})}] * 600)).status_code == 200
        names = {
            "turn": "turns_total",
            "interruption": "interruptions_total",
            "turn_unanswered": "turns_unanswered_total",
            "answer_requested": "answers_requested_total",
            "model_reconnect": "model_reconnects_total",
            "model_reseeded": "model_reseeds_total",
            "silence": "silences_total",
            "error": "bot_errors_total",
            "tool_call": "tool_calls_total",
        }

        assert 0 < await bot.value(names[kind]) < 1000
        assert await bot.value("report_claims_refused_total", kind=kind) > 3800


@pytest.mark.parametrize(
    "totals",
    [
        {"models": {MODEL: {"prompt_tokens": MOST}}},
        {"models": {f"model-{number}": {"completion_tokens": 50_000} for number in range(16)}},
        {"models": {MODEL: {"input_audio_tokens": MOST}}},
        {"models": {MODEL: {"audio_seconds": 10_000_000}}},
        {"models": {MODEL: {"characters": MOST}}},
        {"turns": MOST},
        {"turns_unanswered": 5000},
        {"interruptions": 5000},
        {"tool_calls": {"save_product": {"ok": MOST, "error": MOST}}},
        {"tool_calls": {f"tool-{number}": {"ok": 100} for number in range(32)}},
        {"talk_seconds": {"caller": 10_000_000}},
        {"talk_seconds": {"bot": 500}},
    ],
)
async def test_totals_that_cannot_be_reach_no_record_and_no_cost(
    tmp_path: Path, totals: dict[str, Any]
) -> None:
    async with serve_bad_bot(tmp_path, prices=PRICES) as bot:
        await bot.report(HONEST, {"type": "turn"}, totals=totals)
        record = await bot.record()
        usage = record["usage"]

        assert list(usage["models"]) == [MODEL]
        assert usage["models"][MODEL]["prompt_tokens"] == 100
        assert (usage["turns"], usage["interruptions"], usage["tool_calls"]) == (1, 0, {})
        assert usage["talk_seconds"] == {"caller": 0, "bot": 0}
        assert record["turns_unanswered"] == 0
        assert await bot.value("report_claims_refused_total", kind="totals") == 1


async def test_a_bot_that_hides_what_it_has_used_has_it_on_record(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path, prices=PRICES) as bot:
        await bot.report(HONEST, totals={})
        await bot.report(HONEST, tokens(prompt_tokens=MOST), totals={"models": {MODEL: {"prompt_tokens": 1}}})

        assert (await bot.record())["usage"]["models"][MODEL]["prompt_tokens"] == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt_tokens": -1}',
        b'{"prompt_tokens": 1e999}',
        b'{"prompt_tokens": NaN}',
        b'{"prompt_tokens": Infinity}',
        b'{"prompt_tokens": true}',
        b'{"prompt_tokens": "12"}',
        b'{"prompt_tokens": 1.5}',
        b'{"prompt_tokens": ' + b"9" * 5000 + b"}",
        b'{"prompt_tokens": 9007199254740993}',
    ],
)
async def test_numbers_that_are_none_refuse_the_whole_batch(tmp_path: Path, body: bytes) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        event = b'{"type": "tokens", "model": "m", "tokens": ' + body + b"}"
        batch = b'{"seq": 1, "acked": 0, "events": [' + event + b'], "totals": {}, "timeline": {"now": 1}}'
        answer = await bot.post("reports", batch)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert (await bot.record())["usage"]["models"] == {}


async def test_services_that_claim_more_than_their_model_are_on_record_with_what_the_model_has(
    tmp_path: Path,
) -> None:
    forged = {f"Service{number}/{MODEL}": {"prompt_tokens": MOST} for number in range(16)}
    totals = {"models": {MODEL: {"prompt_tokens": 100, "completion_tokens": 20}}, "services": forged}
    async with serve_bad_bot(tmp_path, prices=PRICES) as bot:
        await bot.report(HONEST, totals=totals)
        record = await bot.record()

        services = record["usage"]["services"].values()
        assert [each["models"][MODEL]["prompt_tokens"] for each in services] == [100]
        assert record["cost"]["amount"] == pytest.approx(140e-6)
        assert await bot.value("cost_total") == pytest.approx(140e-6)


async def test_a_flood_of_batches_is_turned_away_before_it_is_counted(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        answers = [await bot.report({"type": "turn"}) for _ in range(800)]

        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429}
        assert answers[statuses.index(429)].headers["retry-after"]
        assert await bot.value("turns_total") == statuses.count(200)
        assert await bot.value("report_claims_refused_total", kind="batch") == statuses.count(429)


async def test_no_moment_is_before_the_session_or_in_the_future(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await bot.report(timeline={"now": 9_000_000, "process_up": 1, "joined": 2, "first_speech": 9_999_999})
        timeline = (await bot.record())["timeline"]

        accepted = datetime.fromisoformat(timeline["accepted"])
        for name in ("process_up", "joined"):
            assert datetime.fromisoformat(timeline[name]) >= accepted
        assert timeline["first_speech"] is None
        assert await bot.value("session_start_seconds_count") == 0
        assert await bot.value("report_claims_refused_total", kind="timeline") == 1


@pytest.mark.parametrize("is_final", [True, False])
@pytest.mark.parametrize(
    "totals",
    [
        {"models": {MODEL: {"prompt_tokens": MOST, "completion_tokens": MOST}}},
        {"turns": MOST},
        {"tool_calls": {"save_product": {"ok": MOST}}},
        {"talk_seconds": {"bot": 9_999_999}},
    ],
)
async def test_a_final_report_that_cannot_be_is_in_no_record_cost_or_counter(
    tmp_path: Path,
    totals: dict[str, Any],
    is_final: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    word = {
        "reason": "completed",
        "message": "Bye.",
        "totals": totals,
        "acked_totals": {},
        "acked": 0,
        "timeline": {"now": 1},
        "is_final": is_final,
    }
    async with serve_bots_that_write(tmp_path, json.dumps(word).encode(), prices=PRICES) as controller:
        session = await controller.start()
        record = await controller.until_over(session["id"])
        metrics = (await controller.client.get("/metrics")).text

    assert (record["reason"], record["message"]) == ("completed", "Bye.")
    assert record["usage"]["models"] == record["usage"]["tool_calls"] == {}
    assert record["usage"]["turns"] == record["usage"]["talk_seconds"]["bot"] == 0
    assert record["usage"]["partial"]
    assert record["cost"]["amount"] == 0
    used = ("podline_tokens", "podline_turns", "podline_tool_calls_total", "podline_talk", "podline_cost")
    counts = [line.rsplit(" ", 1)[1] for line in metrics.splitlines() if line.startswith(used)]
    assert set(counts) <= {"0.0"}
    assert 'podline_report_claims_refused_total{kind="totals"} 1.0' in metrics
