"""A bot whose code is bad makes names up, until metrics can tell honest names apart no more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from podline.runner.room.client_messages import Cause
from testing.fakes.bots.bad_bot import BadBot, serve_bad_bot, serve_bots_that_write

TOOL, MODEL = "search_products", "gemini-3.8-live"


def events(name: str) -> list[dict[str, Any]]:
    return [
        {"type": "tokens", "model": name, "tokens": {"prompt_tokens": 1}},
        {"type": "first_byte", "model": name, "seconds": 0.1, "service": name[:64]},
        {"type": "transcribed", "model": name, "seconds": 0.1, "service": name[:64]},
        {"type": "synthesized", "model": name, "characters": 1, "service": name[:64]},
        {"type": "tool_call", "name": name, "outcome": "ok", "seconds": 0.1},
        {"type": "error", "kind": name},
        {"type": name},
    ]


async def flood(bot: BadBot, names: Iterable[str]) -> None:
    for name in names:
        assert (await bot.report(*events(name))).status_code == 200


async def series(bot: BadBot) -> set[str]:
    lines = (await bot.metrics()).splitlines()
    return {line.rsplit("} ", 1)[0] for line in lines if "{" in line and "route=" not in line}


async def test_names_that_nobody_declared_make_no_series(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await flood(bot, (f"junk-{number}" for number in range(10)))
        before = await series(bot)
        await flood(bot, (f"more-junk-{number}" for number in range(100)))

        assert await series(bot) == before
        text = await bot.metrics()
        assert 'tool="junk' not in text
        assert 'model="junk' not in text
        assert 'service="junk' not in text
        assert await bot.value("tool_calls_total", tool="other") == 110


async def test_declared_names_stay_told_apart_after_the_flood(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await flood(bot, (f"junk-{number}" for number in range(100)))
        await bot.report(*events(TOOL)[4:5], *events(MODEL)[:1], {"type": "error", "kind": "connectivity"})

        assert await bot.value("tool_calls_total", tool=TOOL) == 1
        assert await bot.value("tokens_total", model=MODEL) == 1
        assert await bot.value("bot_errors_total", kind="connectivity") == 1


async def test_one_bot_leaves_kinds_for_others(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await flood(bot, (f"junk-{number}" for number in range(100)))
        text = await bot.metrics()

        for metric in ("podline_bot_errors_total", "podline_report_events_unknown_total"):
            kinds = [line for line in text.splitlines() if line.startswith(f'{metric}{{kind="junk')]
            assert 0 < len(kinds) <= 4


async def test_a_record_names_no_more_than_a_few_however_many_are_reported(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await flood(bot, (f"{'x' * 100}-{number}" for number in range(100)))
        await bot.controller.client.delete(f"/v1/sessions/{bot.session_id}")
        usage = (await bot.controller.until_over(bot.session_id))["usage"]

        assert len(usage["models"]) <= 16
        assert len(usage["services"]) <= 16
        assert len(usage["tool_calls"]) <= 32
        assert sum(each["prompt_tokens"] for each in usage["models"].values()) == 100
        assert sum(each["ok"] for each in usage["tool_calls"].values()) == 100


async def test_final_reports_make_no_series_either(tmp_path: Path) -> None:
    word = {
        "reason": "completed",
        "message": "",
        "totals": {
            "models": {f"junk-{number}": {"prompt_tokens": 1} for number in range(16)},
            "services": {f"junk-{number}/junk-{number}": {"prompt_tokens": 1} for number in range(16)},
            "tool_calls": {f"junk-{number}": {"ok": 1, "error": 0} for number in range(32)},
        },
        "acked_totals": {},
        "timeline": {"now": 1},
    }
    async with serve_bots_that_write(tmp_path, json.dumps(word).encode()) as controller:
        session = await controller.start()
        record = await controller.until_over(session["id"])
        metrics = (await controller.client.get("/metrics")).text

    assert len(record["usage"]["tool_calls"]) == 32
    assert "junk" not in metrics
    assert 'podline_tool_calls_total{outcome="ok",tool="other"} 32.0' in metrics


async def test_causes_that_no_bot_of_ours_names_take_no_place_from_those_it_does(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        await bot.report(
            *({"type": "client_messages_refused", "cause": f"junk-{n}", "count": 1} for n in range(100))
        )
        await bot.report(
            *({"type": "client_messages_refused", "cause": cause, "count": 2} for cause in get_args(Cause))
        )

        assert "junk" not in await bot.metrics()
        assert await bot.value("client_messages_refused_total", cause="other") == 100
        for cause in get_args(Cause):
            assert await bot.value("client_messages_refused_total", cause=cause) == 2
