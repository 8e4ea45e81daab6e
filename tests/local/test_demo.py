"""`scripts/demo`, as somebody who has just cloned the repository runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from sandbox.caller import calling
from sandbox.voice import Voice
from tests.local.processes import ROOT, free_port, processes_of

READY_SECONDS = 60
END_SECONDS = 5


class Demo(NamedTuple):
    """A running demo and the port it was told to use."""

    process: asyncio.subprocess.Process
    port: int

    async def ends(self) -> str:
        """Wait for its end, and return what it said on the way."""
        async with asyncio.timeout(END_SECONDS):
            said, _ = await self.process.communicate()
        return said.decode()

    def left_behind(self) -> list[str]:
        return processes_of(ROOT / ".podline" / f"demo-{self.port}")


@asynccontextmanager
async def running_demo(*arguments: str, **variables: str) -> AsyncIterator[Demo]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        ROOT / "scripts" / "demo",
        *arguments,
        env={**os.environ, "PODLINE_PORT": str(port), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Demo(process, port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_ready(demo: Demo) -> None:
    assert demo.process.stdout is not None
    said = ""
    async with asyncio.timeout(READY_SECONDS):
        while f"http://127.0.0.1:{demo.port}/" not in said:
            line = await demo.process.stdout.readline()
            assert line, said
            said += line.decode()


async def test_ctrl_c_ends_the_demo_and_its_bots_and_leaves_no_process(voice: Voice) -> None:
    async with running_demo() as demo:
        await until_ready(demo)
        url = f"http://127.0.0.1:{demo.port}"
        async with httpx.AsyncClient() as client:
            assert "Start talking" in (await client.get(f"{url}/")).text
        async with calling(url, voice) as (caller, _):
            await caller.hears_bot()
            assert any("-m bot" in process for process in demo.left_behind())
            demo.process.send_signal(signal.SIGINT)
            await demo.ends()

        assert demo.process.returncode == 0
        assert demo.left_behind() == []


async def test_when_a_part_dies_the_demo_says_which_and_ends_the_rest() -> None:
    async with running_demo() as demo:
        await until_ready(demo)
        [sandbox] = [int(line.split()[0]) for line in demo.left_behind() if "-m sandbox" in line]
        os.kill(sandbox, signal.SIGKILL)
        said = await demo.ends()

        assert demo.process.returncode == 1
        assert "The sandbox ended with status -9" in said
        assert demo.left_behind() == []


async def test_a_taken_port_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running_demo(PODLINE_PORT=str(port)) as demo:
            said = await demo.ends()
    assert demo.process.returncode == 1
    assert f"Port {port} is taken" in said
    assert "PODLINE_PORT=" in said


async def test_without_sandbox_and_keys_the_missing_ones_are_named() -> None:
    async with running_demo("--no-sandbox", GOOGLE_API_KEY="", CONVEX_URL="") as demo:
        said = await demo.ends()
    assert demo.process.returncode == 1
    assert "GOOGLE_API_KEY and CONVEX_URL" in said
