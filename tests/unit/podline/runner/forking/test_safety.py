"""What keeps a process from being forked, seen by a process that has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]


def verdict(code: str, directory: Path) -> str:
    """What is said of a process that has run this code."""
    asks = f"{code}\nfrom podline.runner.forking.safety import why_unsafe\nprint(why_unsafe())"
    done = subprocess.run(  # noqa: S603 - the tests' own command
        [sys.executable, "-c", asks],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", "None"),
        ("import sys; file = open(sys.executable); null = open('/dev/null', 'w')", "None"),
        ("import asyncio; asyncio.run(asyncio.sleep(0))", "None"),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "it has threads: python, python",
        ),
        ("import socket; kept = socket.socketpair()", "it holds open: socket:["),
        ("import asyncio; loop = asyncio.new_event_loop()", "it holds open: anon_inode:[eventpoll]"),
        ("import sqlite3; kept = sqlite3.connect('shop.db'); kept.execute('create table a (b)')", "/shop.db"),
        ("import os; kept = os.pipe()", "it holds open: pipe:["),
    ],
)
def test_threads_and_what_two_processes_can_not_share_keep_a_process_from_being_forked(
    tmp_path: Path, code: str, expected: str
) -> None:
    assert expected in verdict(code, tmp_path)
