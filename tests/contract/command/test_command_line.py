"""The command line against a real controller with bots that are processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from podline_cli.errors import ExitCode
from testing.fakes.controllers.served import PATIENCE_SECONDS, Controller, ServeController
from testing.fakes.controllers.wire import write_keys

ROOT = Path(__file__).parents[3]


async def run(controller: Controller, *words: str, key: str | None = None) -> tuple[int, str, str]:
    """Run a command to its end; returns its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "podline_cli", *words),
        cwd=controller.directory,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(controller.directory),
            "PODLINE_URL": controller.url,
            **({} if key is None else {"PODLINE_KEY": key}),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def answer(controller: Controller, *words: str) -> Any:
    code, out, err = await run(controller, *words, "-o", "json")
    assert (code, err) == (ExitCode.OK, "")
    return json.loads(out)


async def test_a_call_is_listed_shown_and_stopped(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start(session_id="cart-7f3a")
        live = await controller.until_live(session["id"])

        listed = await answer(controller, "ps", "--user", "ana")
        shown = await answer(controller, "show", "cart-7f3a")
        stopped = await answer(controller, "stop", "cart-7f3a")
        over = await controller.until_over("cart-7f3a")
        summed = await answer(controller, "usage", "--by", "agent")
        picture = await run(controller, "show", "cart-7f3a")

        assert [each["id"] for each in listed["sessions"]] == ["cart-7f3a"]
        assert shown["timeline"]["joined"] == live["timeline"]["joined"]
        assert stopped["sessions"][0]["phase"] in ("stopping", "ended")
        assert over["reason"] == "stopped"
        assert summed["by_agent"]["shopping"]["sessions"] == 1
        assert (await answer(controller, "ps"))["sessions"] == []
        assert "reason\tstopped" in picture[1]


async def test_a_log_is_followed_until_the_bot_is_gone(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        following = asyncio.create_task(run(controller, "logs", session["id"], "-f"))
        await controller.until_live(session["id"])
        await run(controller, "stop", session["id"])

        assert (await following)[0] == ExitCode.OK


async def test_agents_are_listed(serve: ServeController) -> None:
    async with serve() as controller:
        assert [each["name"] for each in (await answer(controller, "agents"))["agents"]] == ["shopping"]


@pytest.mark.parametrize(
    ("key", "words", "code"),
    [
        (None, ("ps",), ExitCode.NOT_ALLOWED),
        ("nobody", ("ps",), ExitCode.NOT_ALLOWED),
        ("reader", ("ps",), ExitCode.OK),
        ("reader", ("stop", "nope"), ExitCode.NOT_ALLOWED),
        ("boss", ("stop", "nope"), ExitCode.NOT_FOUND),
        ("boss", ("logs", "nope"), ExitCode.NOT_FOUND),
        ("boss", ("ps", "--phase", "live"), ExitCode.OK),
    ],
)
async def test_a_key_opens_what_its_scopes_allow(
    serve: ServeController, tmp_path: Path, key: str | None, words: tuple[str, ...], code: ExitCode
) -> None:
    keys = write_keys(tmp_path, reader=["read"], boss=["admin"])
    async with serve(keys_file=keys) as controller:
        assert (await run(controller, *words, key=key))[0] == code
