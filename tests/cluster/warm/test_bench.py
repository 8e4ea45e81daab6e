"""The claims of the bench of warm bots, few, on the cluster that the tests here share."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.cluster.site import MeasuredCluster, at_rest
from scripts.benchmarks.running.results import Results, ResultsFile, make_header
from scripts.benchmarks.running.run import BenchProgress, BenchRun
from scripts.benchmarks.warm.claims import CLAIMED, OURS, RAW, SMALL, WAYS, WRITES, measure_on, rate_name
from scripts.benchmarks.warm.figures import table
from testing.cluster.control_plane import ControlPlane


async def test_every_claim_takes_its_bot_with_one_write(plane: ControlPlane, tmp_path: Path) -> None:
    file = ResultsFile(tmp_path, make_header("warm", 1, "calls of each", {}))
    run = BenchRun(tmp_path, file, BenchProgress("warm", print, is_terminal=False), 1, is_small=True)
    cluster = MeasuredCluster(plane, tmp_path)
    try:
        async with at_rest(plane):
            await measure_on(run, cluster)
    finally:
        for namespace in cluster.namespaces:
            await plane.api("DELETE", f"/api/v1/namespaces/{namespace}")

    results = Results.read(file.path)
    assert results.of(CLAIMED, OURS) == [1.0] * SMALL.pool
    assert results.of(WRITES, OURS) == [1] * SMALL.pool
    assert all(results.of(rate_name(way), of) for way in WAYS for of in (OURS, RAW))
    assert len(table(results).rows) == len(results.samples)
