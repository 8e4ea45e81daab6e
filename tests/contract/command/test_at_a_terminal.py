"""What a person sees who runs controller or bot at a terminal, and what a file gets of the same."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import sys
from pathlib import Path

import pytest

from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port

ROOT = Path(__file__).parents[3]
ESCAPE = "\x1b["


async def shown(command: list[str], until: str, directory: Path, **variables: str) -> list[str]:
    """Run it at a terminal to its end, or to a Ctrl-C once it serves; returns the lines it has shown."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", **variables},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while piece := await asyncio.to_thread(read, ours):
                seen += piece
                if b"Uvicorn running" in seen and process.returncode is None:
                    process.send_signal(signal.SIGINT)
            await process.wait()
    finally:
        os.close(ours)
    assert until in seen.decode(), seen.decode()
    return seen.decode().splitlines()


def read(terminal: int) -> bytes:
    """What there is to read; nothing once nobody has the terminal any more, which Linux makes an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("command", "until", "level"),
    [
        (["controller", "serve"], "Uvicorn running", "INFO   "),
        (["podline.runner"], "USER_ID is missing", "ERROR  "),
    ],
    ids=["controller", "bot"],
)
async def test_at_a_terminal_each_event_is_a_line_of_words(
    tmp_path: Path, command: list[str], until: str, level: str
) -> None:
    lines = await shown(command, until, tmp_path, PODLINE_PORT=str(free_port()), NO_COLOR="1")

    [line] = [line for line in lines if until in line]
    assert re.match(rf"\d\d:\d\d:\d\d\.\d{{3}} {level} [a-z]", line)
    assert all(ESCAPE not in line for line in lines)


@pytest.mark.parametrize(
    ("command", "until"),
    [(["controller", "serve"], "Uvicorn running"), (["podline.runner"], "USER_ID is missing")],
    ids=["controller", "bot"],
)
async def test_a_terminal_that_has_colours_gets_them(tmp_path: Path, command: list[str], until: str) -> None:
    lines = await shown(command, until, tmp_path, PODLINE_PORT=str(free_port()))

    assert all(ESCAPE in line for line in lines if until in line)


async def test_a_file_gets_the_same_event_as_json(tmp_path: Path) -> None:
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "podline.runner"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SESSION_ID": "s-1"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await bot.communicate()

    [line] = map(json.loads, said.splitlines())
    assert (line["event"], line["session_id"]) == ("call not begun", "s-1")
    assert "USER_ID is missing" in line["problem"]
