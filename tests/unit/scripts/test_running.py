"""Programs side by side: what they said, what they needed, and that none of them stays."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from scripts.commands.running.display import Screen
from scripts.commands.running.execute import RunOutcome, execute
from scripts.commands.running.lanes import LaneJob, Run, State, run_groups
from scripts.commands.running.preparing import LeftOutError, Preparation, PreparationError, Preparations
from scripts.commands.running.priority import IdleTime
from scripts.commands.running.processes import RunLogged
from testing.processes import ROOT, eventually, processes_of

LEAVES_BEHIND = """
import subprocess, sys, time
subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]],
    start_new_session=True,
)
open(sys.argv[1] + "/started", "w").close()
time.sleep(600)
"""
COMMAND = """
import sys
from pathlib import Path
from rich.console import Console
from scripts.commands.console import run_command
from scripts.commands.running.execute import execute
from scripts.commands.running.lanes import LaneJob
job = LaneJob("leaves", (sys.executable, "-c", Path(sys.argv[1], "leaves.py").read_text(), sys.argv[1]))
run_command(lambda: execute([[[job]]], Path(sys.argv[1], "logs"), Console()))
"""


def saying(word: str, code: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print('{word}'); raise SystemExit({code})")


def run(tmp_path: Path, *lanes: list[LaneJob]) -> tuple[RunOutcome, str]:
    shown = Console(file=io.StringIO(), width=110)
    outcome = execute([list(lanes)], tmp_path / "logs", shown)
    assert isinstance(shown.file, io.StringIO)
    return outcome, shown.file.getvalue()


def preparing(make: Callable[[], None], *, needed: bool = False) -> Preparation:
    async def made(_log: Path, _run: RunLogged) -> None:
        make()

    return Preparation("a browser", made, needed)


def refuse(error: Exception) -> Callable[[], None]:
    def make() -> None:
        raise error

    return make


def test_lanes_run_at_the_same_time(tmp_path: Path) -> None:
    """Each of the two waits for what the other writes."""
    meeting = (
        "import os, sys, time\nopen(sys.argv[1], 'w').close()\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.01)"
    )
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    outcome, _ = run(
        tmp_path,
        [LaneJob("a", (sys.executable, "-c", meeting, one, other))],
        [LaneJob("b", (sys.executable, "-c", meeting, other, one))],
    )

    assert outcome.failed == []


def test_a_lane_that_gives_way_does_so_with_all_that_it_starts(tmp_path: Path) -> None:
    ask = "import os; print(os.sched_getscheduler(0), open('/proc/self/cgroup').read())"
    start = f"import subprocess, sys; subprocess.call([sys.executable, '-c', {ask!r}])"
    outcome, _ = run(
        tmp_path,
        [LaneJob("calls", (sys.executable, "-c", ask))],
        [LaneJob("beside", (sys.executable, "-c", start), gives_way=True)],
    )

    calls, beside = (each.said() for each in outcome.runs)
    assert beside.startswith(str(os.SCHED_IDLE)) or "/podline-beside-" in beside
    assert f"/podline-beside-{os.getpid()}" not in calls
    assert not list(Path("/sys/fs/cgroup").glob(f"**/podline-beside-{os.getpid()}"))


@pytest.mark.parametrize("group", [None, Path("/no/group")])
def test_what_gives_way_is_the_command_that_was_meant(group: Path | None, tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    idle = IdleTime(tmp_path if group else None, is_certain=True)
    said = subprocess.run(  # noqa: S603 - our own command
        idle.command(["printf", "%s|", "a b", "$HOME", "'"]), capture_output=True, text=True, check=True
    )

    assert said.stdout == "a b|$HOME|'|"


def test_where_nobody_can_give_way_those_who_would_run_last(tmp_path: Path) -> None:
    done = tmp_path / "done"
    calls = ("sh", "-c", f"test ! -e {done}; sleep 0.2; touch {done}")
    lanes = [
        [Run(LaneJob("beside", ("test", "-e", str(done)), gives_way=True), tmp_path / "beside.log")],
        [Run(LaneJob("calls", calls), tmp_path / "calls.log")],
    ]

    async def play() -> None:
        nothing, screen = Preparations([], tmp_path, print), Screen(Console(file=io.StringIO()), [])
        await run_groups([lanes], nothing, screen, IdleTime(None, is_certain=False))

    asyncio.run(play())

    assert [run.state for lane in lanes for run in lane] == [State.PASSED, State.PASSED]


def test_an_orphan_that_has_ended_is_not_taken_for_one_that_lives(tmp_path: Path) -> None:
    start = "import subprocess; print(subprocess.Popen(['true']).pid)"
    until_gone = f"""
import os, subprocess, sys, time
orphan = int(subprocess.check_output([sys.executable, "-c", {start!r}]))
for _ in range(1000):
    try:
        os.kill(orphan, 0)
    except ProcessLookupError:
        sys.exit(0)
    time.sleep(0.01)
sys.exit(1)
"""
    outcome, _ = run(tmp_path, [LaneJob("starts one", (sys.executable, "-c", until_gone))])

    assert outcome.failed == []


def test_what_failed_is_said_with_its_output_and_the_rest_goes_on(tmp_path: Path) -> None:
    outcome, shown = run(tmp_path, [LaneJob("bad", saying("broken", 1)), LaneJob("good", saying("fine"))])

    assert outcome.failed == ["bad"]
    assert [each.state for each in outcome.runs] == [State.FAILED, State.PASSED]
    assert "broken" in shown
    assert "fine" in shown


def test_what_a_machine_cannot_have_leaves_out_only_what_needs_it(tmp_path: Path) -> None:
    lacking = preparing(refuse(LeftOutError("the tests in a browser: install one")), needed=True)
    outcome, _ = run(tmp_path, [LaneJob("page", saying("x"), (lacking,)), LaneJob("unit", saying("y"))])

    assert [each.state for each in outcome.runs] == [State.LEFT_OUT, State.PASSED]
    assert outcome.failed == []
    assert outcome.left_out == ["the tests in a browser: install one"]


def test_what_could_not_be_made_fails_what_needs_it(tmp_path: Path) -> None:
    outcome, shown = run(
        tmp_path, [LaneJob("page", saying("x"), (preparing(refuse(PreparationError("The disk is full."))),))]
    )

    assert outcome.failed == ["page"]
    assert "The disk is full." in shown


async def test_ctrl_c_ends_what_the_programs_have_started_in_sessions_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text(LEAVES_BEHIND)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, str(tmp_path)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )

    async def started() -> bool:
        return (tmp_path / "started").exists()

    await eventually(started, "the program and what it starts", within=60)
    os.killpg(process.pid, signal.SIGINT)
    _, said = await process.communicate()

    assert (process.returncode, said.decode()) == (130, "Interrupted.\n")
    assert processes_of(tmp_path) == []
