"""`scripts/bench against REVISION`: starts and answers of this checkout beside an earlier one's, in turn.

Each round measures one and then the other, so that whatever else the machine does meets both alike.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, run
from typing import Any, Final

from scripts.benchmarks.programs import system
from testing.processes import ROOT

Sample = dict[str, float]

_PROBE: Final = """
import asyncio, json, sys
from pathlib import Path
import httpx
from sandbox.voice import Voice
from scripts.benchmarks import call, starts
from scripts.benchmarks.programs import programs

async def answers(directory, calls):
    figures = call.Figures()
    with programs(directory, with_bare=False) as machine:
        async with httpx.AsyncClient() as http:
            for number in range(calls + 1):
                await call.our_call(machine, http, Voice(), figures if number else call.Figures())
    return figures

async def main(directory, calls):
    sample = {f"starts a second, {n} at once": await starts.rate_of_controller(directory, n) for n in (1, 16)}
    figures = await answers(directory, calls)
    middle = lambda samples: sorted(samples)[len(samples) // 2] * 1000
    sample["POST /v1/sessions, ms"] = middle(figures.accepted)
    sample["accepted to joined, ms"] = middle(figures.joined)
    sample["end of speech to first sound, less VAD and model, ms"] = middle(figures.ours)
    print(json.dumps(sample))

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""
"""Runs in either checkout, on what both of them have."""


def measure(directory: Path, revision: str, rounds: int, calls: int) -> str:
    """The table: medians of each figure in both checkouts, and of the ratio round by round."""
    samples: list[tuple[Sample, Sample]] = []
    with checkout(directory / "earlier", revision) as earlier:
        for number in range(1, rounds + 1):
            sys.stderr.write(f"round {number} of {rounds} ...\n")
            order = (ROOT, earlier) if number % 2 else (earlier, ROOT)
            taken = {tree: _sample(tree, directory / f"{number}-{tree.name}", calls) for tree in order}
            samples.append((taken[ROOT], taken[earlier]))
    return table(samples, revision)


@contextmanager
def checkout(tree: Path, revision: str) -> Iterator[Path]:
    """Another revision of this repository with its own environment, gone with the block."""
    run(["git", "worktree", "add", "--detach", "--quiet", tree, revision], cwd=ROOT, check=True)
    try:
        command = "source scripts/lib.sh; ensure_environment bench --all-extras"
        run(["bash", "-c", command], cwd=tree, check=True)
        yield tree
    finally:
        run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def table(samples: Sequence[tuple[Sample, Sample]], revision: str) -> str:
    rows = [f"{'':54} {'here':>22} {revision[:12]:>22} {'here / there':>22}"]
    for name in samples[0][0]:
        here, there = [one[name] for one, _ in samples], [other[name] for _, other in samples]
        ratios = [one / other for one, other in zip(here, there, strict=True)]
        rows.append(f"{name:54} {_spread(here, 1):>22} {_spread(there, 1):>22} {_spread(ratios, 2):>22}")
    return "\n".join([f"Medians and spread of {len(samples)} rounds in turn; {system()}", "", *rows])


def _sample(tree: Path, directory: Path, calls: int) -> Sample:
    directory.mkdir()
    command: list[Any] = [tree / ".venv/bin/python", "-c", _PROBE, directory, str(calls)]
    taken: Sample = json.loads(run(command, cwd=tree, stdout=PIPE, stderr=DEVNULL, check=True).stdout)
    return taken


def _spread(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
