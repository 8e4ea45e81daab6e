"""Reports of bots, as a site's bot sends them, and a bot's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from controller.observe.prices import ModelPrices, PerModality, PriceList
from podline.contract.messages import FinalReport
from testing.fakes.controllers.metered import Scrape
from testing.fakes.controllers.site import Site

PRICES: Final = PriceList(
    "EUR",
    [
        ModelPrices("gemini", date(2020, 1, 1), PerModality(1.0, 10.0), PerModality(100.0, 1000.0)),
        ModelPrices("whisper", date(2020, 1, 1), audio_minute=0.002),
        ModelPrices("voice", date(2020, 1, 1), characters=20.0),
    ],
)
EVENTS: Final[list[dict[str, Any]]] = [
    {"type": "tokens", "model": "gemini", "tokens": {"prompt_tokens": 100, "input_audio_tokens": 80}},
    {"type": "first_byte", "model": "gemini", "seconds": 0.4},
    {"type": "transcribed", "model": "whisper", "seconds": 30, "service": "OpenAISTTService"},
    {"type": "synthesized", "model": "voice", "characters": 50, "service": "OpenAITTSService"},
    {"type": "response_latency", "seconds": 0.9},
    {"type": "turn"},
    {"type": "interruption"},
    {"type": "silence", "after": "caller"},
    {"type": "tool_call", "name": "search_products", "outcome": "ok", "seconds": 0.2},
    {"type": "tool_call", "name": "search_products", "outcome": "error", "seconds": 3},
    {"type": "talk", "side": "bot", "seconds": 2.5},
    {"type": "turn_unanswered", "cause": "empty_turn"},
    {"type": "answer_requested"},
    {"type": "model_reconnect", "resumed": False},
    {"type": "model_reseeded"},
    {"type": "error", "kind": "network"},
    {"type": "client_messages_refused", "cause": "rate", "count": 3},
    {"type": "audio_dropped", "seconds": 1.5},
]
TOTALS: Final[dict[str, Any]] = {
    "models": {
        "gemini": {"prompt_tokens": 100, "input_audio_tokens": 80},
        "whisper": {"audio_seconds": 30},
        "voice": {"characters": 50},
    },
    "services": {
        "OpenAISTTService/whisper": {"audio_seconds": 30},
        "OpenAITTSService/voice": {"characters": 50},
    },
    "turns": 1,
    "turns_unanswered": 1,
    "interruptions": 1,
    "tool_calls": {"search_products": {"ok": 1, "error": 1}},
    "talk_seconds": {"bot": 2.5},
}


def batch(
    seq: int = 1,
    events: list[dict[str, Any]] | None = None,
    totals: dict[str, Any] | None = None,
    **marks: float,
) -> dict[str, Any]:
    return {
        "seq": seq,
        "acked": seq - 1,
        "events": events or [],
        "totals": totals or {},
        "timeline": {"now": 10.0, **marks},
    }


def scrape(site: Site) -> Scrape:
    return Scrape(site.metrics.registry)


async def gone(site: Site, session: dict[str, Any], word: FinalReport | None = None, **seen: Any) -> None:
    launch_id = site.runtime.launch_of(session["id"]).session.launch_id
    await site.runtime.exit(launch_id, final_report=word, **({"exit_code": 0} | seen))


async def until(what: Callable[[], bool]) -> None:
    """Let the application work until it is as a test expects it."""
    async with asyncio.timeout(5):
        while not what():  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0)
