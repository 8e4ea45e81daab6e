"""The node's bench, small, on the nodes that the tests here share."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.node.figures import measure_on, table
from scripts.benchmarks.running.results import Results, ResultsFile, make_header
from scripts.benchmarks.running.run import BenchProgress, BenchRun
from testing.node.site import NodeSite


async def test_the_bench_measures_each_step_of_sessions_and_bare_jobs(site: NodeSite, tmp_path: Path) -> None:
    file = ResultsFile(tmp_path, make_header("node", 1, "starts of each", {}))
    run = BenchRun(tmp_path, file, BenchProgress("node", print, is_terminal=False), count=1, is_small=True)

    await measure_on(run, site)

    results = Results.read(file.path)
    steps = results.samples
    assert len(results.of("one at a time: accepted to joined", "Podline")) == 1
    assert len(results.of("one at a time: accepted to joined", "Podline, warm bot")) == 1
    for contender in ("bare Job", "bare Job that copies the runner", "bare Job without volumes"):
        assert len(results.of("one at a time: accepted to process up", contender)) == 1
    assert len(results.of("a pod, on average: make the sandbox", "the kubelets")) == 1
    assert len(table(results).rows) == len(steps)
