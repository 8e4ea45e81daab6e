"""`scripts/bench fuzz`: hostile inputs of six kinds against a served controller, and a bot's own checks.

It fails where an answer is a 5xx of ours, where memory ends more than a tenth above where it began, or where
less than half of a kind gets past parsing, so that little behind it is tried.
"""

from __future__ import annotations

import json
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
from scripts.benchmarks.fuzz.wire import Wire
from scripts.benchmarks.programs import resident_megabytes, system

Make = Callable[[Random], tuple[bytes, bool]]
"""Draws one request, and whether it is whole."""

UNREADABLE: Final = frozenset({0, 400, 408, 411, 413, 414, 415, 431, 501, 505})
"""Answers to what gets no further than HTTP's own parsing; 0 where the server closes without one."""
NOT_VALID: Final = 422
OURS: Final = 500
CONNECTIONS: Final = 4
WARM_UP: Final = 0.1
MOST_GROWTH: Final = 1.1
LEAST_PARSED: Final = 0.5
"""Of each kind."""


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
        if self.after > self.before * MOST_GROWTH:
            found.append(f"{self.kind}: memory grew from {self.before:.1f} to {self.after:.1f} MB.")
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
    with Popen([sys.executable, "-m", "scripts.benchmarks.fuzz.target"], stdout=PIPE, text=True) as process:
        try:
            target = _target(process)
            for number, (kind, request_of) in enumerate(_OVER_HTTP.items()):
                _say(kind, each)
                outcomes.append(_over_http(target, kind, request_of(target), each, seed + number))
        finally:
            process.terminate()
    for number, kind in enumerate(_INSIDE):
        _say(kind, each)
        outcomes.append(_inside(kind, each, seed + len(_OVER_HTTP) + number))
    table = _table(outcomes, seed)
    if faults := [fault for outcome in outcomes for fault in outcome.faults()]:
        raise SystemExit("\n".join([table, "", *faults]))
    return table


def _target(process: Popen[str]) -> Target:
    told = json.loads(next(iter(process.stdout or ())))
    residents = [Resident(*each) for each in told.pop("residents")]
    return Target(process=process.pid, residents=residents, **told)


def _over_http(target: Target, kind: str, make: Make, count: int, seed: int) -> Outcome:
    outcome, merging = Outcome(kind), threading.Lock()

    def send(thread: int, requests: int) -> None:
        rng, wire = Random(f"{seed} {thread}"), Wire(target.bots_port if kind == "reports" else target.port)  # noqa: S311 - to be repeated
        answers = Counter[int]()
        for _ in range(requests):
            request, is_whole = make(rng)
            answers[wire.ask(request, is_whole=is_whole)] += 1
        wire.close()
        with merging:
            outcome.answers += answers

    def send_all(requests: int, run_number: int) -> None:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            shares = [requests // CONNECTIONS] * CONNECTIONS
            list(pool.map(send, range(run_number, run_number + CONNECTIONS), shares))

    warm_up = int(count * WARM_UP)
    send_all(warm_up, 0)
    outcome.before = resident_megabytes(target.process)
    send_all(count - warm_up, CONNECTIONS)
    outcome.after = resident_megabytes(target.process)
    refused = UNREADABLE if kind == "headers" else UNREADABLE | {NOT_VALID}
    outcome.parsed = sum(number for status, number in outcome.answers.items() if status not in refused)
    return outcome


def _inside(kind: str, count: int, seed: int) -> Outcome:
    command = [sys.executable, "-m", "scripts.benchmarks.fuzz.inside", kind, str(seed), str(count)]
    told: dict[str, Any] = json.loads(run(command, stdout=PIPE, check=True, text=True).stdout)
    answers = Counter({200: told["passed"], 422: count - told["passed"]})
    return Outcome(kind, answers, told["passed"], told["before"], told["after"])


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
