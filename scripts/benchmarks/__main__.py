"""`scripts/bench [call|load|starts|cluster|node|metrics|observing|rooms|fuzz]`: measure and print figures."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from pathlib import Path

from scripts.benchmarks import call, load, metrics, rooms, starts
from scripts.benchmarks.cluster import figures as cluster
from scripts.benchmarks.fuzz import figures as fuzz
from scripts.benchmarks.node import figures as node
from scripts.benchmarks.observing import figures as observing


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    kinds = ["call", "load", "starts", "cluster", "node", "metrics", "observing", "rooms", "fuzz"]
    parser.add_argument("what", nargs="?", choices=kinds, default="call")
    parser.add_argument(
        "--calls", type=int, default=20, help="call, observing, rooms: how many of each kind (default: 20)"
    )
    parser.add_argument("--most", type=int, default=12, help="load: the most at one time (default: 12)")
    parser.add_argument(
        "--sessions", type=int, default=10_000, help="cluster: how many are found again (default: 10000)"
    )
    parser.add_argument(
        "--starts", type=int, default=20, help="node: how many of each kind, one after another (default: 20)"
    )
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="fuzz: how many in all (default: 1000000)"
    )
    parser.add_argument("--seed", type=int, help="fuzz: to repeat a run (default: another each time)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podline-bench-") as name:
        directory = Path(name)
        match options.what:
            case "call":
                print(asyncio.run(call.measure(directory, options.calls)))
            case "load":
                print(asyncio.run(load.measure(directory, options.most)))
            case "starts":
                print(asyncio.run(starts.measure(directory)))
            case "cluster":
                print(asyncio.run(cluster.measure(directory, options.sessions)))
            case "node":
                print(asyncio.run(node.measure(options.starts)))
            case "metrics":
                print(asyncio.run(metrics.measure()))
            case "observing":
                print(asyncio.run(observing.measure(directory, options.calls)))
            case "rooms":
                print(asyncio.run(rooms.measure(directory, options.calls)))
            case "fuzz":
                seed = options.seed if options.seed is not None else secrets.randbelow(2**32)
                print(fuzz.measure(directory, options.inputs, seed))


if __name__ == "__main__":
    main()
