"""`scripts/demo`, as somebody who has just cloned the repository runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from podline_cli.errors import CommandError
from podline_cli.local.prometheus import plan_prometheus
from sandbox.caller import calling
from sandbox.voice import Voice
from scripts.commands.demo import RULES
from testing.builds.prometheus import program
from testing.processes import ROOT, eventually, free_port, processes_of

READY_SECONDS = 60
END_SECONDS = 5
PARTS = ("-m sandbox", "podline serve", "prometheus")


class Demo(NamedTuple):
    """A running demo and the port it was given."""

    process: asyncio.subprocess.Process
    port: int

    async def ends(self) -> str:
        """Wait for its end, and return what it said on the way."""
        async with asyncio.timeout(END_SECONDS):
            said, _ = await self.process.communicate()
        return said.decode()

    def left_behind(self) -> list[str]:
        return processes_of(ROOT / ".podline" / f"demo-{self.port}")


def left_by_demo(directory: Path) -> list[Path]:
    """What the demo keeps for as long as it runs; libraries of bots leave files of their own beside it."""
    return list(directory.glob("podline-*"))


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


async def until_ready(demo: Demo, printed: str | None = None) -> str:
    """Read what it says until it tells of its address, or of another; returns that."""
    assert demo.process.stdout is not None
    said = ""
    async with asyncio.timeout(READY_SECONDS):
        while (printed or f"http://127.0.0.1:{demo.port}/") not in said:
            line = await demo.process.stdout.readline()
            assert line, said
            said += line.decode()
    return said


async def test_ctrl_c_ends_the_demo_and_its_bots_and_leaves_no_process(voice: Voice) -> None:
    async with running_demo() as demo:
        await until_ready(demo)
        url = f"http://127.0.0.1:{demo.port}"
        async with httpx.AsyncClient() as client:
            assert "Start talking" in (await client.get(f"{url}/")).text
        async with calling(url, voice) as (caller, _):
            await caller.hears_bot()
            assert any("-m podline.runner" in process for process in demo.left_behind())
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
    assert f"Port {port} can't be used" in said
    assert "PODLINE_PORT=" in said


async def test_without_sandbox_and_keys_the_missing_ones_are_named() -> None:
    async with running_demo("--no-sandbox", GOOGLE_API_KEY="", CONVEX_URL="") as demo:
        said = await demo.ends()
    assert demo.process.returncode == 1
    assert "GOOGLE_API_KEY and CONVEX_URL" in said


async def test_observed_calls_are_seen_in_a_prometheus_that_goes_with_the_demo(
    voice: Voice, tmp_path: Path
) -> None:
    program("prometheus")
    port = free_port()
    async with running_demo("--observe", PODLINE_PROMETHEUS_PORT=str(port), TMPDIR=str(tmp_path)) as demo:
        said = await until_ready(demo, f"http://127.0.0.1:{port}/alerts")
        assert f"http://127.0.0.1:{port}/graph?" in said
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as prometheus,
            calling(f"http://127.0.0.1:{demo.port}", voice) as (caller, _),
        ):
            await caller.hears_bot()

            async def numbers(expression: str) -> list[float]:
                answer = await prometheus.get("/query", params={"query": expression})
                return [float(each["value"][1]) for each in answer.json()["data"]["result"]]

            await eventually(lambda: numbers("podline_cost_total > 0"), "the cost of a spoken greeting")
            assert await numbers("podline_session_starts_total") == [1]
            assert await numbers("up") == [1]
            rules = (await prometheus.get("/rules")).json()["data"]["groups"]
            assert rules
            assert {group["file"] for group in rules} == {str(RULES)}
            demo.process.send_signal(signal.SIGINT)
            await demo.ends()

        assert demo.process.returncode == 0
        assert processes_of(tmp_path) == []
        assert left_by_demo(tmp_path) == []


async def test_a_demo_that_is_killed_takes_all_its_parts_along(tmp_path: Path) -> None:
    program("prometheus")
    port = free_port()
    async with running_demo("--observe", PODLINE_PROMETHEUS_PORT=str(port), TMPDIR=str(tmp_path)) as demo:
        await until_ready(demo, f"http://127.0.0.1:{port}/alerts")
        assert sum(name in line for line in processes_of(tmp_path) for name in PARTS) == len(PARTS)
        demo.process.kill()

        async def all_gone() -> bool:
            return not processes_of(tmp_path) and not left_by_demo(tmp_path)

        await eventually(all_gone, "the end of sandbox, controller and Prometheus")


def test_a_prometheus_that_is_not_there_is_asked_for_in_one_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandError) as error:
        plan_prometheus({"PATH": str(tmp_path), "PODLINE_PROMETHEUS_PORT": str(free_port())}, "1", tmp_path)

    assert str(error.value) == (
        "--observe needs Prometheus, and there is none: put prometheus on the PATH "
        "(on Debian: apt-get install prometheus; else see prometheus.io/download)."
    )


def test_prometheus_and_the_controller_cannot_share_a_port(tmp_path: Path) -> None:
    port = str(free_port())
    with pytest.raises(CommandError, match=f"Port {port} can't be used.* PODLINE_PROMETHEUS_PORT="):
        plan_prometheus({"PODLINE_PROMETHEUS_PORT": port}, port, tmp_path)
