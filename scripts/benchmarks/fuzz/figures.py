"""Hostile inputs of six kinds against a served controller, and a bot's own checks.

It fails where an answer is a 5xx of ours, where memory ends more than a tenth above where it began, or where
less than half of a kind gets past parsing, so that little behind it is tried.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from subprocess import PIPE, Popen, check_output
from typing import Any, Final

from scripts.benchmarks.calls.programs import resident_megabytes
from scripts.benchmarks.fuzz import inputs
from scripts.benchmarks.fuzz.wire import FuzzWire
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import Table

Make = Callable[[Random], tuple[bytes, bool]]
"""Draws one request, and whether it is whole."""

UNREADABLE: Final = frozenset({0, 400, 408, 411, 413, 414, 415, 431, 501, 505})
"""Answers to what gets no further than HTTP's own parsing; 0 where the server closes without one."""
NOT_VALID: Final = 422
OURS: Final = 500
CONNECTIONS: Final = 4
AS_IN_THE_IMAGE: Final = {"MALLOC_MMAP_THRESHOLD_": "131072"}
WARM_UP: Final = 0.1
MOST_GROWTH: Final = 1.1
LEAST_PARSED: Final = 0.5
"""Of each kind."""


class Outcome:
    """What becomes of the inputs of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.answers: Counter[int] = Counter()
        self.parsed = 0
        self.before = 0.0
        self.after = 0.0

    @property
    def total(self) -> int:
        return self.answers.total()

    def faults(self, *, is_small: bool) -> list[str]:
        """Return what must not be, as sentences."""
        found = []
        if ours := sum(count for status, count in self.answers.items() if status >= OURS):
            found.append(f"{self.kind}: {ours} answers were a 5xx.")
        # Few inputs leave memory where it was, or take the first of a pool.
        if self.after > self.before * MOST_GROWTH and not is_small:
            found.append(f"{self.kind}: memory grew from {self.before:.1f} to {self.after:.1f} MB.")
        if self.parsed < self.total * LEAST_PARSED:
            found.append(f"{self.kind}: only {self.parsed / self.total:.0%} got past parsing.")
        return found

    def write(self, run: BenchRun) -> None:
        common = ", ".join(f"{status}: {count}" for status, count in self.answers.most_common(6))
        run.results.row(
            kind=self.kind,
            inputs=f"{self.total:,}",
            parsed=f"{self.parsed / self.total:.0%}",
            memory=f"{self.before:.1f} to {self.after:.1f} MB",
            answers=common,
        )


@dataclass(frozen=True)
class Resident:
    """A session that lasts, and what its caller and its bot know."""

    session_id: str
    offer_token: str
    launch_id: str
    launch_token: str


@dataclass(frozen=True)
class Target:
    """The served controller."""

    process: int
    port: int
    bots_port: int
    key: str
    residents: list[Resident]


def table(results: Results) -> Table:
    """Return a row for each kind."""
    names = ("kind", "inputs", "parsed", "memory", "answers")
    headings = ("kind", "inputs", "past parsing", "memory", "most common answers")
    return Table(headings, [[row[name] for name in names] for row in results.rows])


async def measure(run: BenchRun) -> None:
    """Send as many inputs of each kind."""
    ended = threading.Event()
    try:
        await asyncio.to_thread(_measure, run, ended)
    finally:
        ended.set()


def _measure(run: BenchRun, ended: threading.Event) -> None:
    kinds = len(_OVER_HTTP) + len(_INSIDE)
    each = run.count // kinds
    command = [sys.executable, "-m", "scripts.benchmarks.fuzz.target"]
    run.progress.doing("starting a controller")
    environment = {**os.environ, **AS_IN_THE_IMAGE}
    with (
        (run.directory / "controller.log").open("w", encoding="utf-8") as log,
        Popen(command, stdout=PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            target = _target(process)
            makes = {kind: request_of(target) for kind, request_of in _OVER_HTTP.items()}
            # All code has run and all pools are filled before memory is measured first.
            for number, (kind, make) in enumerate(makes.items()):
                run.progress.doing(f"{kind}, to warm up")
                _send_all(
                    target, Outcome(kind), make, int(each * WARM_UP), f"{run.seed + number} warm up", ended
                )
            for number, (kind, make) in enumerate(makes.items()):
                run.progress.at(number + 1, kinds, f"{kind}, kind")
                outcome = Outcome(kind)
                outcome.before = resident_megabytes(target.process)
                _send_all(target, outcome, make, each, f"{run.seed + number}", ended)
                outcome.after = resident_megabytes(target.process)
                _note(run, outcome)
        finally:
            process.terminate()
    for number, kind in enumerate(_INSIDE, len(_OVER_HTTP)):
        if not ended.is_set():
            run.progress.at(number + 1, kinds, f"{kind}, kind")
            _note(run, _inside(kind, each, run.seed + number))


def _note(run: BenchRun, outcome: Outcome) -> None:
    outcome.write(run)
    run.faults.extend(outcome.faults(is_small=run.is_small))


def _target(process: Popen[str]) -> Target:
    printed = json.loads(next(iter(process.stdout or ())))
    residents = [Resident(*each) for each in printed.pop("residents")]
    return Target(process=process.pid, residents=residents, **printed)


def _send_all(
    target: Target, outcome: Outcome, make: Make, count: int, seed: str, ended: threading.Event
) -> None:
    """Send so many requests of a kind over a few connections at a time."""
    merging = threading.Lock()

    def send(thread: int) -> None:
        rng = Random(f"{seed} {thread}")  # noqa: S311 - to be repeated, not to be secret
        wire = FuzzWire(target.bots_port if outcome.kind == "reports" else target.port)
        answers = Counter[int]()
        for _ in range(count // CONNECTIONS):
            if ended.is_set():
                break
            request, is_whole = make(rng)
            answers[wire.ask(request, is_whole=is_whole)] += 1
        wire.close()
        with merging:
            outcome.answers += answers

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, range(CONNECTIONS)))
    refused = UNREADABLE if outcome.kind == "headers" else UNREADABLE | {NOT_VALID}
    outcome.parsed = sum(number for status, number in outcome.answers.items() if status not in refused)


def _inside(kind: str, count: int, seed: int) -> Outcome:
    command = [sys.executable, "-m", "scripts.benchmarks.fuzz.inside", kind, str(seed), str(count)]
    printed: dict[str, Any] = json.loads(check_output(command))
    outcome = Outcome(kind)
    outcome.answers = Counter({200: printed["passed"], 422: count - printed["passed"]})
    outcome.parsed, outcome.before, outcome.after = (printed[name] for name in ("passed", "before", "after"))
    return outcome


def _post(path: str, bearer: str, body: bytes) -> tuple[bytes, bool]:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {bearer}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body, True


def _heads(target: Target) -> Make:
    return lambda rng: inputs.head(rng, target.key)


def _bodies(target: Target) -> Make:
    return lambda rng: _post("/v1/sessions", target.key, inputs.message(rng, inputs.start))


def _offers(target: Target) -> Make:
    def make(rng: Random) -> tuple[bytes, bool]:
        one = rng.choice(target.residents)
        body = inputs.message(rng, inputs.offer)
        return _post(f"/sessions/{one.session_id}/api/offer", one.offer_token, body)

    return make


def _reports(target: Target) -> Make:
    def make(rng: Random) -> tuple[bytes, bool]:
        one = rng.choice(target.residents)
        body = inputs.message(rng, inputs.report)
        return _post(f"/internal/launches/{one.launch_id}/reports", one.launch_token, body)

    return make


_OVER_HTTP: Final[dict[str, Callable[[Target], Make]]] = {
    "headers": _heads,
    "bodies": _bodies,
    "offers": _offers,
    "reports": _reports,
}
_INSIDE: Final = ("data-channel messages", "final reports")
