"""What Prometheus finds at /metrics of a controller that is served, whose bots are processes."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import date, datetime
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from controller.observe.prices import ModelPrices, PerModality, PriceList
from testing.builds.prometheus import find_program
from testing.fakes.controllers.served import Controller, ServeController
from testing.processes import free_port

PRICES = PriceList("USD", [ModelPrices("fake", date(2020, 1, 1), PerModality(1, 1), PerModality(2, 2))])
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


async def shown(controller: Controller, accept: str = "text/plain;version=0.0.4") -> str:
    answer = await controller.client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    return answer.text


def series(text: str) -> set[tuple[str, ...]]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))
        for family in plain(text)
        for sample in family.samples
    }


def total(text: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in plain(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def call(controller: Controller, user_id: str) -> dict[str, Any]:
    session = await controller.start(user_id=user_id)
    await controller.until_live(session["id"])
    await controller.client.delete(f"/v1/sessions/{session['id']}")
    return await controller.until_over(session["id"])


async def test_promtool_has_nothing_to_say(serve: ServeController) -> None:
    promtool = find_program("promtool", os.environ["PATH"])
    if promtool is None:
        assert os.environ.get("CI") != "true", "under CI nothing is left out: apt-get install prometheus"
        pytest.skip("promtool is not there (on Debian: apt-get install prometheus)")
    async with serve(prices=PRICES) as controller:
        await call(controller, "ana")
        await controller.client.get("/v1/sessions/nobody")
        text = await shown(controller)

    checking = await asyncio.create_subprocess_exec(
        *(promtool, "check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await checking.communicate(text.encode())
    assert (said.decode(), checking.returncode) == ("", 0)


async def test_counters_are_the_sum_of_what_is_on_record(serve: ServeController) -> None:
    async with serve("user", prices=PRICES) as controller:
        records = await asyncio.gather(*(call(controller, f"join.{number}") for number in range(5)))
        killed = await controller.start(user_id="join.busy.wordless")
        await controller.until(killed["id"], lambda session: session["usage"]["turns"] > 3)
        await controller.client.delete(f"/v1/sessions/{killed['id']}")
        records.append(await controller.until_over(killed["id"]))
        text = await shown(controller)

    usages = [record["usage"] for record in records]
    assert usages[-1]["partial"]
    tokens = [count for usage in usages for count in usage["models"]["fake"].values()]
    assert total(text, "podline_tokens_total") == sum(tokens) == 15 * len(records)
    assert total(text, "podline_turns_total") == sum(usage["turns"] for usage in usages)
    assert total(text, "podline_tool_calls_total") == len(records)
    talk = sum(sum(usage["talk_seconds"].values()) for usage in usages)
    assert total(text, "podline_talk_seconds_total") == pytest.approx(talk)
    cost = sum(record["cost"]["amount"] for record in records)
    assert total(text, "podline_cost_total", currency="USD") == pytest.approx(cost)
    assert cost > 0
    assert total(text, "podline_session_ends_total", reason="stopped") == len(records)
    assert total(text, "podline_sessions_partial_usage_total") == 1


async def test_more_sessions_make_no_more_series(serve: ServeController) -> None:
    async with serve("user", capacity=50) as controller:
        await call(controller, "join.first")
        await shown(controller)
        before = await shown(controller)
        records = await asyncio.gather(*(call(controller, f"join.{number}") for number in range(10)))
        after = await shown(controller)

    # A bot's last poll may be cut off or answered, as it happens.
    more = series(after) - series(before)
    assert {each for each in more if "route=/internal/launches/{launch_id}/inbox" not in each} == set()
    for record in records:
        assert record["id"] not in after
        assert record["user_id"] not in after


async def test_openmetrics_is_given_to_who_asks_for_it(serve: ServeController) -> None:
    async with serve() as controller:
        await call(controller, "ana")
        text = await shown(controller, OPENMETRICS)

    samples = [sample for family in openmetrics(text) for sample in family.samples]
    assert "podline_session_ends_total" in {sample.name for sample in samples}
    assert not any(sample.name.endswith("_created") for sample in samples)


async def test_each_stage_s_time_adds_up_to_the_start(serve: ServeController) -> None:
    async with serve() as controller:
        timeline = (await call(controller, "ana"))["timeline"]
        text = await shown(controller)

    moments = [timeline[each] for each in ("accepted", "launched", "scheduled", "process_up", "joined")]
    assert moments == sorted(moments)
    whole = datetime.fromisoformat(moments[-1]) - datetime.fromisoformat(moments[0])
    assert total(text, "podline_session_start_stage_seconds_sum") == pytest.approx(whole.total_seconds())


async def test_metrics_may_have_a_port_of_their_own(serve: ServeController) -> None:
    port = free_port()
    async with serve(metrics_port=port) as controller, httpx.AsyncClient() as scraper:
        there = f"http://127.0.0.1:{port}"
        assert (await scraper.get(f"{there}/metrics")).text.startswith("# HELP")
        for path in ("/", "/livez", "/v1/sessions", "/metrics/"):
            assert (await scraper.get(there + path)).status_code == 404
        posted = await scraper.post(f"{there}/v1/sessions", json={"user_id": "ana"})
        assert posted.json()["code"] == "not_found"
        assert (await controller.client.get("/metrics")).status_code == 404
        assert (await controller.client.get("/livez")).status_code == 200
        # Whatever a client says of the port, it came in where it did.
        liar = {"Host": f"127.0.0.1:{port}"}
        assert (await controller.client.get("/metrics", headers=liar)).status_code == 404


async def test_metrics_hold_no_secret_and_ask_for_no_key(serve: ServeController) -> None:
    async with serve() as controller:
        await call(controller, "ana")
        text = await shown(controller, OPENMETRICS)

    assert not re.search(r"Bearer|token=|rooms?[./]", text)
