"""The cluster's bench, small, on the cluster that the tests here share."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.cluster.figures import measure_on, table
from scripts.benchmarks.cluster.recovery import LIVEZ, SESSION
from scripts.benchmarks.cluster.site import MeasuredCluster, at_rest
from scripts.benchmarks.running.results import Results, ResultsFile, make_header
from scripts.benchmarks.running.run import BenchProgress, BenchRun
from testing.cluster.control_plane import ControlPlane

SESSIONS = 8
BURST, CAPACITY = 6, 3
FIGURES = 17
"""Starts have three, their processor time three, the burst five, events two, and the restarts four."""

ONLY_IF_SLOW = {LIVEZ, SESSION}
"""Measured between a controller's first answer and its readiness, if there is time between them."""


async def test_the_bench_measures_every_figure(plane: ControlPlane, tmp_path: Path) -> None:
    file = ResultsFile(tmp_path, make_header("cluster", SESSIONS, "sessions", {}))
    run = BenchRun(
        tmp_path, file, BenchProgress("cluster", print, is_terminal=False), SESSIONS, is_small=True
    )
    cluster = MeasuredCluster(plane, tmp_path)
    try:
        async with at_rest(plane):
            await measure_on(run, cluster)
    finally:
        for namespace in cluster.namespaces:
            await plane.api("DELETE", f"/api/v1/namespaces/{namespace}")

    results = Results.read(file.path)
    assert len(results.samples.keys() - ONLY_IF_SLOW) == FIGURES, list(results.samples)
    assert results.of("starts at one moment: answered 201", "Podline") == [CAPACITY]
    assert results.of("starts at one moment: answered 429", "Podline") == [BURST - CAPACITY]
    assert len(results.of("handler's own time for a 429", "Podline")) == BURST - CAPACITY
    # Two rows follow from others.
    assert len(table(results).rows) == len(results.samples) + 2
