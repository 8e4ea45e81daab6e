"""A bot on the controller's own machine looks for its secrets where a process of the same user finds them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing.leaving_out import leave_out
from testing.processes import ROOT, Program, answers, free_port

SECRET = "only-the-controllers-own-8472"
THIEF = """
import os, pathlib

print("own", b"SESSION_ID=" in pathlib.Path("/proc/self/environ").read_bytes())
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if b"SECRET_OF_THE_TEST" in (entry / "environ").read_bytes():
            print("stolen from the environment of", (entry / "cmdline").read_bytes())
    except OSError:
        pass
parent = os.getppid()
for name in ("mem", "maps", "cwd", "fd/0", "root"):
    look = os.readlink if name in ("cwd", "fd/0", "root") else lambda it: open(it, "rb")
    try:
        look(f"/proc/{parent}/{name}")
        print("opened", name)
    except OSError:
        pass
print("done", parent, flush=True)
"""


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[str]:
    """A controller that serves without root's rights, whose bots are thieves; its address."""
    if sys.platform != "linux":
        leave_out("only Linux hides a process")
    without_rights: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            leave_out("no setpriv on this machine, and root with all its rights may read everything")
        without_rights = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    thief = tmp_path / "agents" / "thief"
    thief.mkdir(parents=True)
    (thief / "bot.py").write_text(THIEF.replace("SECRET_OF_THE_TEST", SECRET), encoding="utf-8")
    port = free_port()
    variables = {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PODLINE_PORT": str(port),
        "PODLINE_SECRET": SECRET,
        "PODLINE_AGENTS": str(thief.parent),
        "PODLINE_START_TIMEOUT_SECONDS": "30",
    }
    command = [*without_rights, sys.executable, "-m", "controller", "serve"]
    program = Program.start("controller", command, tmp_path, variables)
    try:
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        yield f"http://127.0.0.1:{port}"
    finally:
        program.stop()


async def test_a_bot_finds_nothing_of_the_controllers_in_proc(controller: str) -> None:
    async with httpx.AsyncClient(base_url=controller, timeout=30) as client:
        wanted = {"user_id": "ana", "agent": "thief"}
        session = (await client.post("/v1/sessions", json=wanted)).raise_for_status().json()
        found = []
        async with (
            asyncio.timeout(30),
            client.stream("GET", f"/v1/sessions/{session['id']}/logs?follow=true") as log,
        ):
            async for line in log.aiter_lines():
                found.append(line)
                if line.startswith("done"):
                    break

    assert found[0] == "own True"
    assert len(found) == 2, found
