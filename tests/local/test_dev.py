"""`podline dev`, as the author of a first bot uses it: write it, talk to it, edit it, break it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.caller import calling
from sandbox.caller_signalling import CallFailedError
from sandbox.voice import Voice
from testing.processes import ROOT, Program, eventually, free_port, processes_of
from tests.local.conftest import PROGRAMS

PODLINE = (sys.executable, "-m", "podline_cli")
GREETING = "Hello from your first bot."
END_SECONDS = 8


@dataclass(frozen=True)
class Dev:
    """A running `podline dev`, and the bot that it runs."""

    program: Program
    url: str
    bot: Path

    def edit(self, words: str, replacement: str) -> None:
        code = self.bot.read_text()
        assert words in code
        self.bot.write_text(code.replace(words, replacement))

    async def shows(self, words: str) -> None:
        """Wait until the terminal shows these words."""

        async def shown() -> bool:
            return words in self.program.said()

        await eventually(shown, f"{words!r} in the terminal")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Dev]:
    directory, port = tmp_path_factory.mktemp("dev"), free_port()
    bot = directory / "hello" / "bot.py"
    environment = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(directory / "state")}
    subprocess.run(  # noqa: S603 - our own command
        [*PODLINE, "init", "hello"], cwd=directory, env={**os.environ, **environment}, check=True
    )
    command = [*PODLINE, "dev", "--sandbox", "--port", str(port)]
    program = Program.start("dev", command, bot.parent, environment)
    pytestconfig.stash[PROGRAMS].append(program)
    try:
        program.wait_until(lambda: "Press Ctrl-C" in program.said())
        yield Dev(program, f"http://127.0.0.1:{port}", bot)
    finally:
        program.process.send_signal(signal.SIGINT)
        try:
            assert program.process.wait(END_SECONDS) == 0
        finally:
            program.process.kill()
        assert processes_of(directory) == []


async def test_an_edited_greeting_is_spoken_in_the_next_call(dev: Dev, voice: Voice) -> None:
    assert f"{dev.url}/?agent=hello" in dev.program.said()
    async with calling(dev.url, voice, agent="hello") as (caller, _):
        await caller.bot_says(GREETING)

    dev.edit(GREETING, "Good evening, dear caller.")
    async with calling(dev.url, voice, agent="hello") as (caller, _):
        await caller.bot_says("Good evening, dear caller.")
    await dev.shows("live after")
    await dev.shows("caller_left")


async def test_the_page_calls_the_bot_without_being_told_its_name(dev: Dev) -> None:
    async with httpx.AsyncClient(base_url=dev.url) as client:
        assert (await client.get("/start/agents")).json()["default"] == "hello"


async def test_a_bot_that_breaks_is_shown_with_the_last_line_of_its_traceback(dev: Dev, voice: Voice) -> None:
    code = dev.bot.read_text()
    dev.edit("load_dotenv()\n", "load_dotenv()\nshelf = {}['oak']\n")
    last_line = "KeyError: 'oak'"
    try:
        with pytest.raises(CallFailedError):
            async with calling(dev.url, voice, agent="hello"):
                pass
        await dev.shows(last_line)
    finally:
        dev.bot.write_text(code)

    async with httpx.AsyncClient(base_url=dev.url) as client:
        [session, *_] = (await client.get("/v1/sessions")).json()["sessions"]
    assert last_line in session["message"]


async def test_an_error_that_ends_no_call_is_shown_as_well(dev: Dev, voice: Voice) -> None:
    code = dev.bot.read_text()
    words = 'logger.info("The caller is here")\n'
    dev.edit(words, f"{words}        await worker.queue_frame(LLMRunFrame())\n        shelf = [][3]\n")
    try:
        async with calling(dev.url, voice, agent="hello") as (caller, _):
            await caller.hears_bot()
            await dev.shows("on_client_connected")
            await dev.shows("list index out of range")
    finally:
        dev.bot.write_text(code)


def test_a_call_from_the_terminal_hears_the_bot_and_says_how_it_ended(dev: Dev) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [*PODLINE, "call", "hello", "--say", "thank you, goodbye", "-o", "json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PODLINE_URL": dev.url},
        capture_output=True,
        text=True,
        check=True,
    )
    call = json.loads(done.stdout)

    assert [each["line"] for each in call["account"] if each["line"].startswith("bot's words")]
    assert [each["line"] for each in call["account"] if each["line"].startswith("caller says     thank you")]
    assert call["session"]["reason"] == "caller_left"
