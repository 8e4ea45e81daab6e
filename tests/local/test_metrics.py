"""What metrics say of spoken calls, against what the model itself counted."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from podline.contract.messages import SILENCE_SECONDS
from sandbox.caller import calling
from sandbox.voice import Voice
from testing.processes import ended_session, eventually

CALLS = 3
OF_ANSWERS = (
    "podline_turns_unanswered_total",
    "podline_answers_requested_total",
    "podline_model_reconnects_total",
    "podline_model_reseeds_total",
)
LOGGED = [
    "turn unanswered",
    "answer requested again",
    "conversation given to the model again",
    "model reconnected",
]
KINDS = {
    "prompt_text": ("input", "text"),
    "prompt_audio": ("input", "audio"),
    "response_audio": ("output", "audio"),
}
"""The sandbox's names and ours; it caches nothing and does not think."""


async def counted(controller: httpx.AsyncClient) -> dict[str, float]:
    """All samples of ours that are no bucket, by name and label values."""
    text = (await controller.get("/metrics")).text
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "le" not in sample.labels
    }


async def sent(store: httpx.AsyncClient) -> dict[str, int]:
    """What the model has sent of token counts, in all its sessions."""
    sessions = (await store.get("/sandbox/model")).json()["sessions"]
    return {kind: sum(session["tokens"][kind] for session in sessions) for kind in KINDS}


async def one_call(url: str, controller: httpx.AsyncClient, voice: Voice, number: int) -> dict[str, Any]:
    async with calling(url, voice, user_id=f"caller-{number}") as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()
        await asyncio.sleep(SILENCE_SECONDS)
        await caller.say("find running shoes under one hundred dollars")
        await caller.hears_bot()
        await caller.bot_quiet()
    return await eventually(lambda: ended_session(controller, session_id), "the session's end")


async def test_counters_are_equal_to_the_token_with_what_the_model_sent(
    controller_url: str, controller: httpx.AsyncClient, store: httpx.AsyncClient, voice: Voice
) -> None:
    before, sent_before = await counted(controller), await sent(store)
    records = [await one_call(controller_url, controller, voice, number) for number in range(CALLS)]
    after, sent_after = await counted(controller), await sent(store)

    def more(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    [(service, of_service)] = records[0]["usage"]["services"].items()
    [model] = of_service["models"]
    assert service == "GeminiLiveLLMService"
    assert of_service["models"] == records[0]["usage"]["models"]
    for kind, (direction, modality) in KINDS.items():
        assert (
            more(f"podline_tokens_total {direction} {modality} {model} {service}")
            == sent_after[kind] - sent_before[kind]
        )
    on_record = [record["usage"]["models"][model] for record in records]
    tokens = sum(each["prompt_tokens"] + each["completion_tokens"] for each in on_record)
    assert sum(more(name) for name in after if name.startswith("podline_tokens_total ")) == tokens > 0
    assert (
        more("podline_turns_total shopping") == sum(record["usage"]["turns"] for record in records) == CALLS
    )
    assert more("podline_tool_calls_total ok search_products") == CALLS
    assert more("podline_response_latency_seconds_count shopping") >= CALLS
    assert more("podline_silences_total bot") >= CALLS
    assert more("podline_session_start_seconds_count") == CALLS
    assert more("podline_session_ends_total shopping ended caller_left") == CALLS
    stages = sum(more(name) for name in after if name.startswith("podline_session_start_stage_seconds_sum"))
    assert abs(stages - more("podline_session_start_seconds_sum")) < 1e-3


async def test_an_owed_answer_is_in_counters_record_and_log(
    controller_url: str, controller: httpx.AsyncClient, store: httpx.AsyncClient, voice: Voice
) -> None:
    """The greeting is empty, is asked for again and is empty again, and comes over another connection."""
    before = await counted(controller)
    order = {"target": "model", "name": "empty_turn", "turns": 2}
    (await store.post("/sandbox/behaviour", json=order)).raise_for_status()
    async with calling(controller_url, voice, user_id="unanswered") as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
    record = await eventually(lambda: ended_session(controller, session_id), "the session's end")
    after = await counted(controller)
    log = (await controller.get(f"/v1/sessions/{session_id}/logs")).text

    grown = {name: after[name] - before.get(name, 0.0) for name in after if name.startswith(OF_ANSWERS)}
    assert {name: by for name, by in grown.items() if by} == {
        "podline_turns_unanswered_total shopping empty_turn": 1,
        "podline_answers_requested_total": 1,
        "podline_model_reconnects_total no": 1,
        "podline_model_reseeds_total": 1,
    }
    assert (record["turns_unanswered"], record["reason"]) == (1, "caller_left")
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert [event for event in events if event in LOGGED] == LOGGED
