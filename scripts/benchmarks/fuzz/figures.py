"""`scripts/bench fuzz`: hostile inputs of six kinds against a served controller, and a bot's own checks.

It fails where an answer is a 5xx of ours, where memory ends more than a tenth above where it began, or where
less than half of a kind gets past parsing, so that little behind it is tried.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from subprocess import PIPE, Popen, run
from typing import Any, Final

from scripts.benchmarks.fuzz import inputs
from scripts.benchmarks.fuzz.wire import FuzzWire
from scripts.benchmarks.programs import resident_megabytes, system

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


def growth(whose: str, before: float, after: float) -> list[str]:
    """Name memory that grew by more than a tenth."""
    has_grown = after > before * MOST_GROWTH
    return [f"{whose} memory grew from {before:.1f} to {after:.1f} MB."] if has_grown else []


@dataclass
class Outcome:
    """What became of the inputs of one kind."""

    kind: str
    answers: Counter[int] = field(default_factory=Counter)
    parsed: int = 0
    before: float = 0.0
    after: float = 0.0

    @property
    def total(self) -> int:
        return self.answers.total()

    def faults(self) -> list[str]:
        """What must not be, as sentences."""
        found = []
        if ours := sum(count for status, count in self.answers.items() if status >= OURS):
            found.append(f"{self.kind}: {ours} answers were a 5xx.")
        found += growth(f"{self.kind}:", self.before, self.after)
        if self.parsed < self.total * LEAST_PARSED:
            found.append(f"{self.kind}: only {self.parsed / self.total:.0%} got past parsing.")
        return found

    def row(self) -> str:
        common = ", ".join(f"{status}: {count}" for status, count in self.answers.most_common(6))
        return (
            f"{self.kind:20} {self.total:9,}  {self.parsed / self.total:5.0%}  "
            f"{self.before:6.1f} -> {self.after:6.1f} MB  {common}"
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


def measure(count: int, seed: int) -> str:
    """Send `count` inputs, as many of each kind, and return the table.

    Raises:
        SystemExit: Something broke; the table has been printed.
    """
    each = count // (len(_OVER_HTTP) + len(_INSIDE))
    outcomes = []
    command = [sys.executable, "-m", "scripts.benchmarks.fuzz.target"]
    with Popen(command, stdout=PIPE, text=True, env={**os.environ, **AS_IN_THE_IMAGE}) as process:
        try:
            target = _target(process)
            makes = {kind: request_of(target) for kind, request_of in _OVER_HTTP.items()}
            # All code has run and all pools are filled before memory is measured first.
            for number, (kind, make) in enumerate(makes.items()):
                _say(f"{kind}, to warm up", int(each * WARM_UP))
                _send_all(target, Outcome(kind), make, int(each * WARM_UP), f"{seed + number} warm up")
            at_the_start = resident_megabytes(target.process)
            for number, (kind, make) in enumerate(makes.items()):
                _say(kind, each)
                outcomes.append(_over_http(target, kind, make, each, f"{seed + number}"))
            faults = growth("The controller's", at_the_start, outcomes[-1].after)
        finally:
            process.terminate()
    for number, kind in enumerate(_INSIDE):
        _say(kind, each)
        outcomes.append(_inside(kind, each, seed + len(_OVER_HTTP) + number))
    table = _table(outcomes, seed)
    faults += [fault for outcome in outcomes for fault in outcome.faults()]
    if faults:
        raise SystemExit("\n".join([table, "", *faults]))
    return table


def _target(process: Popen[str]) -> Target:
    printed = json.loads(next(iter(process.stdout or ())))
    residents = [Resident(*each) for each in printed.pop("residents")]
    return Target(process=process.pid, residents=residents, **printed)


def _over_http(target: Target, kind: str, make: Make, count: int, seed: str) -> Outcome:
    outcome = Outcome(kind, before=resident_megabytes(target.process))
    _send_all(target, outcome, make, count, seed)
    outcome.after = resident_megabytes(target.process)
    refused = UNREADABLE if kind == "headers" else UNREADABLE | {NOT_VALID}
    outcome.parsed = sum(number for status, number in outcome.answers.items() if status not in refused)
    return outcome


def _send_all(target: Target, outcome: Outcome, make: Make, count: int, seed: str) -> None:
    """Send so many requests of a kind over a few connections at a time."""
    merging = threading.Lock()

    def send(thread: int) -> None:
        rng = Random(f"{seed} {thread}")  # noqa: S311 - to be repeated, not to be secret
        wire = FuzzWire(target.bots_port if outcome.kind == "reports" else target.port)
        answers = Counter[int]()
        for _ in range(count // CONNECTIONS):
            request, is_whole = make(rng)
            answers[wire.ask(request, is_whole=is_whole)] += 1
        wire.close()
        with merging:
            outcome.answers += answers

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, range(CONNECTIONS)))


def _inside(kind: str, count: int, seed: int) -> Outcome:
    command = [sys.executable, "-m", "scripts.benchmarks.fuzz.inside", kind, str(seed), str(count)]
    printed: dict[str, Any] = json.loads(run(command, stdout=PIPE, check=True, text=True).stdout)
    answers = Counter({200: printed["passed"], 422: count - printed["passed"]})
    return Outcome(kind, answers, printed["passed"], printed["before"], printed["after"])


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


def _table(outcomes: list[Outcome], seed: int) -> str:
    total = sum(outcome.total for outcome in outcomes)
    return "\n".join(
        [
            f"{total:,} hostile inputs, seed {seed}; {system()}",
            "",
            f"{'kind':20} {'inputs':>9}  parsed  memory, and the most common answers",
            *(outcome.row() for outcome in outcomes),
        ]
    )


def _say(kind: str, count: int) -> None:
    sys.stderr.write(f"{kind}: {count:,} inputs ...\n")
