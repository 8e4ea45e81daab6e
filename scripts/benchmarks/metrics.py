"""What metrics cost the controller: for each batch, each request, and a scrape of ten thousand sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from statistics import median
from typing import Final

from prometheus_client import CollectorRegistry

from controller.core.admission import SessionAdmission, SessionLimits
from controller.core.session import Session, Timeline
from controller.observe.gauges import SessionGauges
from controller.observe.metrics import Metrics
from controller.observe.prices import ModelPrices, PerModality, PriceList
from controller.supervision.channel.report_ledger import ReportLedger
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from podline.contract.encoding import encode
from podline.contract.messages import (
    BotTimeline,
    Event,
    FirstByte,
    Report,
    ResponseLatency,
    Talked,
    TokensUsed,
    ToolCalled,
    TurnEnded,
)
from podline.contract.reading import read_report
from podline.contract.usage import Tokens, Usage
from scripts.benchmarks import request_metrics
from scripts.benchmarks.programs import system

TURN: Final[tuple[Event, ...]] = (
    Talked("caller", 2.5),
    TurnEnded(),
    ToolCalled("search_products", "ok", 0.1),
    FirstByte("gemini-3.8-live", 0.3),
    ResponseLatency(0.8),
    TokensUsed("gemini-3.8-live", Tokens(500, 200, 400, 180)),
    Talked("bot", 4.0),
)
"""What a bot reports every five seconds of a lively call."""

_TIMES: Final = 2000
_SCRAPES: Final = 20
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


async def measure() -> str:
    """The figures, one a line."""
    lines = [
        f"What metrics cost, medians; {system()}",
        "",
        *(
            _of_batch(name, events)
            for name, events in (("an empty", ()), ("one turn's", TURN), ("a full", TURN * 14))
        ),
        *(_of_scrape(sessions) for sessions in (100, 10_000)),
        *await request_metrics.measure(),
    ]
    return "\n".join(lines)


def _metrics() -> Metrics:
    prices = ModelPrices("gemini-3.8-live", date(2020, 1, 1), PerModality(1, 2), PerModality(3, 4))
    return Metrics(CollectorRegistry(), PriceList("USD", [prices]))


def _of_batch(name: str, events: tuple[Event, ...]) -> str:
    metrics, session = _metrics(), _session(0)
    body = encode(Report(1, 0, list(events), Usage(), BotTimeline(1.0)))
    report, _ = read_report(body)

    def take() -> None:
        ledger = ReportLedger()
        ledger.count(report)
        metrics.batch_added(session, report, ledger.last)

    decoding = _microseconds(lambda: read_report(body), _TIMES)
    taking = _microseconds(take, _TIMES)
    batch = f"{name} batch, {len(events)} events"
    return f"{batch}: {taking:.0f} us to count (its JSON: {decoding:.0f} us to decode)"


def _of_scrape(sessions: int) -> str:
    metrics = _metrics()
    registry = SessionRegistry(SessionAdmission(SessionLimits(capacity=sessions, per_user=sessions)))
    for number in range(sessions):
        registry.add(Record(_session(number), 0.0), now=0.0)
        metrics.started(_session(number))
        metrics.usage.observe(_session(number), TURN)
    metrics.registry.register(SessionGauges(registry.counts, lambda: 0, lambda: None, list, "bench"))
    took = _microseconds(lambda: metrics.show(OPENMETRICS, exemplars=True), _SCRAPES) / 1000
    shown, _ = metrics.show(OPENMETRICS, exemplars=True)
    return f"a scrape of {sessions} sessions: {took:.1f} ms, {len(shown) / 1024:.1f} KB"


def _session(number: int) -> Session:
    return Session(
        id=f"01a20ddd-73fa-72d2-9313-{number:012}",
        user_id=f"user-{number}",
        launch_id=f"launch-{number}",
        request_hash="",
        room_provider="webrtc",
        max_duration_seconds=60,
        timeline=Timeline(accepted=datetime.now(UTC)),
    )


def _microseconds(work: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took) * 1e6
