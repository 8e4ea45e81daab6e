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
from scripts.benchmarks.controllers import request_metrics
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    FINE_MILLISECONDS,
    KILOBYTES,
    MICROSECONDS,
    Figure,
    Table,
    table_of,
)

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

TIMES: Final = 200
"""How often a batch is counted in one round: the round's value is the median."""
SCRAPES: Final = 2
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
BATCHES: Final[dict[str, tuple[Event, ...]]] = {
    "an empty batch": (),
    "one turn's batch, 7 events": TURN,
    "a full batch, 98 events": TURN * 14,
}
COUNTED: Final = "{}: to count"
DECODED: Final = "{}: its JSON, to decode"
SCRAPED: Final = "a scrape of {:,} sessions"
SCRAPED_SIZE: Final = "size of that scrape, {:,} sessions"
SESSIONS: Final = (100, 10_000)
OURS: Final = "Podline"

FIGURES: Final = (
    *(Figure(name.format(batch), MICROSECONDS) for batch in BATCHES for name in (COUNTED, DECODED)),
    *(Figure(SCRAPED.format(each), FINE_MILLISECONDS, target="at most 50 ms") for each in SESSIONS),
    *(Figure(SCRAPED_SIZE.format(each), KILOBYTES) for each in SESSIONS),
    *request_metrics.FIGURES,
)


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Measure everything once in each round."""
    scrapes = {sessions: _metrics_of(sessions) for sessions in (SESSIONS[:1] if run.is_small else SESSIONS)}
    async with request_metrics.applications() as applications:
        for number in run.rounds():
            run.progress.at(number, run.count, "round")
            for name, events in BATCHES.items():
                _measure_batch(run, number, name, events)
            for sessions, metrics in scrapes.items():
                _measure_scrape(run, number, sessions, metrics)
            await request_metrics.measure(run, number, applications)


def _metrics() -> Metrics:
    prices = ModelPrices("gemini-3.8-live", date(2020, 1, 1), PerModality(1, 2), PerModality(3, 4))
    return Metrics(CollectorRegistry(), PriceList("USD", [prices]))


def _measure_batch(run: BenchRun, number: int, name: str, events: tuple[Event, ...]) -> None:
    metrics, session = _metrics(), _session(0)
    body = encode(Report(1, 0, list(events), Usage(), BotTimeline(1.0)))
    report, _ = read_report(body)

    def take() -> None:
        ledger = ReportLedger()
        ledger.count(report)
        metrics.batch_added(session, report, ledger.last)

    run.sample(number, DECODED.format(name), OURS, _seconds(lambda: read_report(body), TIMES))
    run.sample(number, COUNTED.format(name), OURS, _seconds(take, TIMES))


def _metrics_of(sessions: int) -> Metrics:
    """Return the metrics of a controller with so many sessions."""
    metrics = _metrics()
    registry = SessionRegistry(SessionAdmission(SessionLimits(capacity=sessions, per_user=sessions)))
    for number in range(sessions):
        registry.add(Record(_session(number), 0.0), now=0.0)
        metrics.started(_session(number))
        metrics.usage.observe(_session(number), TURN)
    metrics.registry.register(
        SessionGauges(registry.counts, lambda: 0, lambda: None, list, "bench", lambda: True)
    )
    return metrics


def _measure_scrape(run: BenchRun, number: int, sessions: int, metrics: Metrics) -> None:
    took = _seconds(lambda: metrics.show(OPENMETRICS, exemplars=True), SCRAPES)
    shown, _ = metrics.show(OPENMETRICS, exemplars=True)
    run.sample(number, SCRAPED.format(sessions), OURS, took)
    run.sample(number, SCRAPED_SIZE.format(sessions), OURS, len(shown) / 1024)


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


def _seconds(work: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took)
