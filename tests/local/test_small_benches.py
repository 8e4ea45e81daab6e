"""Every bench that needs no cluster, run once and small, as people run it; and one that is interrupted.

The benches mostly wait, for voices and for programs to start, so some run side by side.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.benchmarks.benches import BENCHES, Bench
from scripts.benchmarks.running.results import COMPLETE, Results
from scripts.benchmarks.worker import module_of
from testing.processes import ROOT, processes_of
from testing.projects.generated import REALTIME, initialize

AT_ONCE = 3
PATIENCE_SECONDS = 240
"""Only a hang takes this long."""

ELSEWHERE = {"cluster", "faults", "node", "warm"}
"""tests/cluster and tests/node run these, on clusters that are there. `warm` has its local part in a test of
its own."""

LOCAL = [bench for bench in BENCHES if bench.name not in ELSEWHERE]
SEED = "25"
"""Draws faults that no caller hears, and inputs most of which get past parsing."""


@dataclass(frozen=True)
class Finished:
    """A bench that has run, and what it left."""

    code: int
    errors: str
    results: Results
    processes: list[str]


def command_of(bench: Bench, folder: Path, subjects: Mapping[str, str]) -> list[str]:
    """What scripts/bench becomes."""
    command = [sys.executable, "-m", "scripts.commands.bench", bench.name]
    command += [subjects[bench.name]] if bench.name in subjects else []
    command += ["--seed", SEED] if bench.is_random else []
    return [*command, "--small", "--results", str(folder)]


def environment_of(folder: Path) -> dict[str, str]:
    """All processes of a bench name its folder."""
    return {**os.environ, "TMPDIR": str(folder)}


def results_in(folder: Path) -> Results:
    [file] = folder.glob("*.jsonl")
    return Results.read(file)


def run_small(bench: Bench, folder: Path, subjects: Mapping[str, str]) -> Finished:
    process = subprocess.run(  # noqa: S603 - our own command
        command_of(bench, folder, subjects),
        cwd=ROOT,
        env=environment_of(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Finished(process.returncode, process.stderr, results_in(folder), processes_of(folder))


def checkout_of_pipecat(directory: Path) -> Path:
    """Make what the bench of examples needs: its first example, which `pipecat init` writes much alike."""
    example = directory / "examples" / "realtime" / "realtime-gemini-live.py"
    example.parent.mkdir(parents=True)
    bot = (initialize(REALTIME, directory) / "bot.py").read_text()
    example.write_text(f"import os\n\nos.environ |= {dict(REALTIME.variables)}\n\n{bot}")
    return directory


@pytest.fixture(scope="module")
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Finished]]]:
    """Run the benches whose tests were chosen."""
    parameters = [each.callspec.params for each in request.session.items if hasattr(each, "callspec")]
    chosen = [bench for bench in LOCAL if any(each.get("bench") is bench for each in parameters)]
    subjects = {"against": "HEAD"}
    if any(bench.name == "examples" for bench in chosen):
        subjects["examples"] = str(checkout_of_pipecat(tmp_path_factory.mktemp("pipecat")))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            bench.name: pool.submit(run_small, bench, tmp_path_factory.mktemp(bench.name), subjects)
            for bench in chosen
        }


@pytest.mark.parametrize("bench", LOCAL, ids=lambda bench: bench.name)
def test_a_bench_runs_writes_results_and_leaves_no_process(
    bench: Bench, finished: Mapping[str, Future[Finished]]
) -> None:
    done = finished[bench.name].result()

    assert done.code == 0, done.errors
    assert done.results.end == COMPLETE
    assert done.processes == []
    table = module_of(bench).table(done.results)
    assert table.rows
    # No figure was measured that the table does not have.
    assert len(table.rows) >= len(done.results.samples) or bench.name == "load"


def test_an_interrupted_bench_keeps_its_results_and_leaves_no_process(tmp_path: Path) -> None:
    [rooms] = [bench for bench in LOCAL if bench.name == "rooms"]
    process = subprocess.Popen(  # noqa: S603 - likewise
        command_of(rooms, tmp_path, {}),
        cwd=ROOT,
        env=environment_of(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stderr is not None
        # LiveKit, two sandboxes and two controllers are there; a bot is about to be.
        assert any("call 1 of 1" in line for line in process.stderr)
        assert len(processes_of(tmp_path)) > 5
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()

    assert processes_of(tmp_path) == []
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    assert results_in(tmp_path).end == "interrupted"
