"""The local part of the bench of warm bots, small. tests/cluster has the part that needs a control plane."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.running.results import Results, ResultsFile, make_header
from scripts.benchmarks.running.run import BenchProgress, BenchRun
from scripts.benchmarks.warm.agents import COLD, WARM
from scripts.benchmarks.warm.figures import table
from scripts.benchmarks.warm.local import SMALL, TOOK, alone, measure, together
from testing.processes import processes_of


async def test_the_bench_starts_warm_and_cold_bots_and_leaves_none(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path, make_header("warm", 1, "calls of each", {}))
    run = BenchRun(tmp_path, file, BenchProgress("warm", print, is_terminal=False), 1, is_small=True)

    await measure(run)

    assert run.faults == []
    assert processes_of(tmp_path) == []
    results = Results.read(file.path)
    assert results.of(alone(TOOK), WARM) == [1.0]
    assert results.of(alone(TOOK), COLD) == []
    assert len(results.of(together(TOOK, SMALL.at_once), WARM)) == SMALL.at_once
    assert sum(results.of(together(TOOK, SMALL.crowd), WARM)) == SMALL.kept
    assert len(table(results).rows) == len(results.samples)
