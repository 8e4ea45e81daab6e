"""`scripts/bench [WHAT]`: measure and print figures."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scripts.benchmarks import against, call, examples, load, metrics, rooms, runner, starts
from scripts.benchmarks.cluster import figures as cluster
from scripts.benchmarks.fuzz import figures as fuzz
from scripts.benchmarks.never_mute import figures as never_mute
from scripts.benchmarks.node import figures as node
from scripts.benchmarks.observing import figures as observing

Options = argparse.Namespace

_CALLS_A_ROUND: Final = 3
_BENCHES: Final[dict[str, Callable[[Path, Options], str]]] = {
    "call": lambda directory, options: asyncio.run(call.measure(directory, options.calls)),
    "load": lambda directory, options: asyncio.run(load.measure(directory, options.most)),
    "starts": lambda directory, _: asyncio.run(starts.measure(directory)),
    "cluster": lambda directory, options: asyncio.run(cluster.measure(directory, options.sessions)),
    "node": lambda _, options: asyncio.run(node.measure(options.starts)),
    "metrics": lambda *_: asyncio.run(metrics.measure()),
    "observing": lambda directory, options: asyncio.run(observing.measure(directory, options.calls)),
    "rooms": lambda directory, options: asyncio.run(rooms.measure(directory, options.calls)),
    "examples": lambda directory, options: asyncio.run(examples.measure(directory, Path(options.revision))),
    "runner": lambda directory, options: asyncio.run(runner.measure(directory, options.calls)),
    "never-mute": lambda directory, options: asyncio.run(
        never_mute.measure(directory, options.faults, options.seed)
    ),
    "fuzz": lambda _, options: fuzz.measure(options.inputs, options.seed),
    "against": lambda directory, options: against.measure(
        directory, options.revision, options.rounds, min(options.calls, _CALLS_A_ROUND)
    ),
}


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="podline-bench-") as name:
        print(_BENCHES[options.what](Path(name), options))


def parse_arguments() -> Options:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)

    def number(name: str, default: int, meaning: str) -> None:
        parser.add_argument(name, type=int, default=default, help=f"{meaning} (default: %(default)s)")

    parser.add_argument("what", nargs="?", choices=list(_BENCHES), default="call")
    parser.add_argument(
        "revision",
        nargs="?",
        default="HEAD~1",
        help="against: which (default: %(default)s); examples: a checkout of Pipecat's repository",
    )
    number("--calls", 20, "call, observing, rooms, runner: how many of each kind")
    number("--most", 12, "load: the most at one time")
    number("--sessions", 10_000, "cluster: how many are found again")
    number("--starts", 20, "node: how many of each kind, one after another")
    number("--rounds", 5, "against: how many in either checkout")
    number("--inputs", 1_000_000, "fuzz: how many in all")
    number("--faults", 200, "never-mute: how many calls, one random fault each")
    number("--seed", secrets.randbelow(2**32), "fuzz, never-mute: to repeat a run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
