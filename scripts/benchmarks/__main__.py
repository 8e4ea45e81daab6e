"""`scripts/bench [call|load|starts|cluster]`: measure one thing on this machine and print the figures."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from scripts.benchmarks import call, load, starts
from scripts.benchmarks.cluster import figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["call", "load", "starts", "cluster"], default="call")
    parser.add_argument("--calls", type=int, default=20, help="call: how many of each kind (default: 20)")
    parser.add_argument("--most", type=int, default=12, help="load: the most at one time (default: 12)")
    parser.add_argument(
        "--sessions", type=int, default=10_000, help="cluster: how many are found again (default: 10000)"
    )
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
                print(asyncio.run(figures.measure(directory, options.sessions)))


if __name__ == "__main__":
    main()
