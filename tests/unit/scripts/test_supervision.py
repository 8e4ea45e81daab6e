"""A program under supervision leaves no process behind, however it or its supervisor ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testing.processes import ROOT, processes_of

SUPERVISOR = """
import sys
from pathlib import Path
from scripts.benchmarks.running.supervision import run_supervised
from scripts.commands.console import run_command

def command():
    raise SystemExit(run_supervised([sys.executable, "-c", sys.argv[1]], Path.cwd(), {}))

run_command(command)
"""
STUBBORN = "trap '' TERM INT HUP; echo ready; sleep 600 & wait"
"""Whoever becomes its parent has to kill it, and its own child."""

LEAVES_PROCESSES = f"""
import subprocess, sys
child = subprocess.Popen(
    ["sh", "-c", {STUBBORN!r}], start_new_session=True, stdout=subprocess.PIPE, text=True
)
print(child.stdout.readline(), end="", flush=True)
{{then}}
"""
TIDY = """
import subprocess, time
from scripts.benchmarks.running.until_end_of_input import interrupt_at_end_of_input
interrupt_at_end_of_input()
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
try:
    print("ready", flush=True)
    time.sleep(600)
finally:
    child.kill()
    child.wait()
    print("tidied up", flush=True)
"""


@contextmanager
def supervised(program: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program under supervision, ready after its first line. All its processes name the directory."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SUPERVISOR, program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_also_what_ignores_it(number: signal.Signals, tmp_path: Path) -> None:
    with supervised(LEAVES_PROCESSES.format(then="sys.stdin.read()"), tmp_path) as process:
        assert processes_of(tmp_path)
        process.send_signal(number)
        _, errors = process.communicate()

    assert processes_of(tmp_path) == []
    assert process.returncode == 128 + number
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "then",
    ["sys.exit(3)", "raise RuntimeError('a bug')", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
)
def test_a_program_that_ends_or_crashes_leaves_nothing(then: str, tmp_path: Path) -> None:
    with supervised(LEAVES_PROCESSES.format(then=then), tmp_path) as process:
        process.communicate()

    assert processes_of(tmp_path) == []
    assert process.returncode != 0


def test_a_program_whose_supervisor_is_killed_ends_by_itself(tmp_path: Path) -> None:
    with supervised(TIDY, tmp_path) as process:
        process.kill()
        output, _ = process.communicate()  # until the program has closed the pipe as well

    assert output == "tidied up\n"
    assert processes_of(tmp_path) == []
