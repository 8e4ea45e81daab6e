"""The runner's own process, started before there is a call, with a controller that gives it one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from podline.contract.messages import Assignment, AssignmentMessage, StopMessage
from testing.fakes.bots.bot_controller import FakeController

ROOT = Path(__file__).parents[4]
START_SECONDS = 60

BOT = """
import json, os
from pipecat.transports.daily.transport import DailyParams, DailyTransport

IMPORTED_WITH = os.environ.get("SESSION_ID")
with open(".env", "w") as file:
    file.write("USER_ID=mallory\\nDAILY_TOKEN=stolen\\nA_KEY=of-the-file\\n")
with open("imports", "a") as file:
    file.write("imported\\n")

async def bot(runner_args):
    transport = DailyTransport(runner_args.room_url, runner_args.token, "bot", DailyParams())
    seen = {
        "imported_with": IMPORTED_WITH,
        "session_id": runner_args.session_id,
        "body": runner_args.body,
        "room": [runner_args.room_url, runner_args.token],
        "variables": dict(os.environ),
        "transport": [each.__name__ for each in type(transport).__mro__],
    }
    with open("seen.part", "w") as file:
        json.dump(seen, file)
    os.rename("seen.part", "seen.json")
    print("the key is", os.environ["A_KEY"], flush=True)
"""
LOADS_ITS_FILE = "from dotenv import load_dotenv\n" + BOT.replace(
    "async def bot", "load_dotenv('.env', override=True)\n\nasync def bot"
)

CALL = {
    "SESSION_ID": "session-1",
    "USER_ID": "ana",
    "DAILY_ROOM_URL": "https://podline.invalid/room",
    "DAILY_TOKEN": "token-of-the-room",
    "PODLINE_TRANSPORT": "daily",
    "PODLINE_BODY": '{"name": "Ana"}',
    "A_KEY": "key-of-the-call",
}


@dataclass
class WarmBot:
    """A process that waits, its directory, and its controller."""

    controller: FakeController
    directory: Path
    process: asyncio.subprocess.Process

    async def is_ready(self) -> None:
        await self.controller.until(lambda: bool(self.controller.polls))

    async def end(self) -> tuple[int, dict[str, Any], str]:
        """Its exit code, its final report, and what it wrote."""
        async with asyncio.timeout(START_SECONDS):
            said, _ = await self.process.communicate()
        report: dict[str, Any] = json.loads((self.directory / "report").read_bytes())
        assert self.process.returncode is not None
        return self.process.returncode, report, said.decode()

    @property
    def seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads((self.directory / "seen.json").read_bytes())
        return seen


@asynccontextmanager
async def warm(directory: Path, code: str, **variables: str) -> AsyncIterator[WarmBot]:
    """Start the runner as a warm bot's Job does."""
    (directory / "bot.py").write_text(code)
    async with FakeController() as controller:
        controller.start_seconds = START_SECONDS
        controller.poll_seconds = 0.5
        channel = {
            "PODLINE_CONTROLLER_URL": controller.channel.url,
            "PODLINE_LAUNCH_ID": controller.channel.launch_id,
            "PODLINE_LAUNCH_TOKEN": controller.channel.token,
            "PODLINE_LAST_WORD": str(directory / "report"),
            "PODLINE_WARM": "true",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "podline.runner"),
            cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **channel, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield WarmBot(controller, directory, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_call_that_a_waiting_bot_is_given_is_held_as_if_the_bot_had_been_started_for_it(
    tmp_path: Path,
) -> None:
    async with warm(tmp_path, LOADS_ITS_FILE, A_KEY="key-of-the-agent") as bot:
        await bot.is_ready()
        [ready] = bot.controller.reports
        assert (tmp_path / "imports").read_text() == "imported\n"
        bot.controller.assignments["m1"] = Assignment(CALL)
        bot.controller.confirmations_to_lose = 1
        await bot.controller.queue(AssignmentMessage("m1", "session-1"))
        code, report, said = await bot.end()

    assert (ready.seq, ready.acked, ready.events, ready.timeline.joined) == (1, 0, [], None)
    assert ready.timeline.process_up == pytest.approx(0, abs=0.01)
    assert ready.timeline.now > 0.1, "imports take longer"
    assert bot.controller.confirmed == ["m1", "m1"]
    assert (tmp_path / "imports").read_text() == "imported\n", "the bot that was imported before is used"

    seen = bot.seen
    assert (seen["imported_with"], seen["session_id"], seen["body"]) == (None, "session-1", {"name": "Ana"})
    assert seen["room"] == ["https://podline.invalid/room", "token-of-the-room"]
    assert {name: seen["variables"].get(name) for name in CALL} == CALL
    assert not {"PODLINE_WARM", "PODLINE_PRELOAD"} & seen["variables"].keys()
    assert "DailyCallerTransport" in seen["transport"]

    assert (code, report["reason"]) == (1, "crashed")
    assert "The bot returned without running a PipelineWorker" in report["message"]
    assert [each.seq for each in bot.controller.reports][:2] == [1, 2]
    assert bot.controller.reports[-1].timeline.now > ready.timeline.now
    assert "the key is ***" in said
    ending = next(line for line in said.splitlines() if "call ending" in line)
    assert json.loads(ending)["session_id"] == "session-1"


async def test_a_bot_that_must_not_be_imported_before_its_call_is_imported_with_it(tmp_path: Path) -> None:
    async with warm(tmp_path, BOT, PODLINE_PRELOAD="false") as bot:
        await bot.is_ready()
        assert not (tmp_path / "imports").exists()
        bot.controller.assignments["m1"] = Assignment(CALL)
        await bot.controller.queue(AssignmentMessage("m1", "session-1"))
        code, _, _ = await bot.end()

    assert code == 1
    assert bot.seen["imported_with"] == "session-1"
    assert "DailyCallerTransport" in bot.seen["transport"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_waiting_bot_quietly(tmp_path: Path, number: signal.Signals) -> None:
    async with warm(tmp_path, "async def bot(runner_args): ...\n") as bot:
        await bot.is_ready()
        bot.process.send_signal(number)
        code, report, said = await bot.end()

    assert (code, report["reason"]) == (0, "terminated")
    assert '"error"' not in said


async def test_a_stop_ends_a_waiting_bot_quietly(tmp_path: Path) -> None:
    async with warm(tmp_path, "async def bot(runner_args): ...\n") as bot:
        await bot.is_ready()
        await bot.controller.queue(StopMessage("m1"))
        code, report, _ = await bot.end()

    assert (code, report["reason"]) == (0, "terminated")


async def test_a_bot_whose_launch_is_over_when_it_confirms_ends_quietly(tmp_path: Path) -> None:
    async with warm(tmp_path, BOT) as bot:
        await bot.is_ready()
        bot.controller.answer_refusals.append(409)
        await bot.controller.queue(AssignmentMessage("m1", "session-1"))
        code, report, _ = await bot.end()

    assert (code, report["reason"]) == (0, "terminated")
    assert not (tmp_path / "seen.json").exists()


async def test_a_call_with_wrong_variables_ends_as_if_the_bot_had_been_started_with_them(
    tmp_path: Path,
) -> None:
    async with warm(tmp_path, BOT) as bot:
        await bot.is_ready()
        bot.controller.assignments["m1"] = Assignment({**CALL, "USER_ID": "", "PODLINE_IDLE_SECONDS": "no"})
        await bot.controller.queue(AssignmentMessage("m1", "session-1"))
        code, report, _ = await bot.end()

    assert (code, report["reason"]) == (64, "config_invalid")
    assert "USER_ID is missing" in report["message"]
    assert "PODLINE_IDLE_SECONDS" in report["message"]


@pytest.mark.parametrize(
    ("bot", "variables", "code", "reason", "said"),
    [
        ("import lamp\n", {}, 1, "crashed", "bot.py can't be imported: the bot can't import lamp in bot.py"),
        (
            "import os\nos.environ['A_KEY']\n",
            {},
            64,
            "config_invalid",
            "Put A_KEY into the agent's secret set.",
        ),
        (
            "import os\nos.environ['USER_ID']\n",
            *({}, 64, "config_invalid"),
            "Read USER_ID in bot(runner_args), once there is a call, or set `preload` to false in",
        ),
        ("x = 1\n", {}, 64, "config_invalid", "bot.py has no bot"),
        ("import sys\nsys.exit(3)\n", {}, 1, "crashed", "called sys.exit()"),
        (BOT, {"PODLINE_MUTE_SECONDS": "1"}, 64, "config_invalid", "PODLINE_MUTE_SECONDS"),
        (
            BOT,
            {"PODLINE_CONTROLLER_URL": ""},
            64,
            "config_invalid",
            "PODLINE_CONTROLLER_URL is missing (a bot",
        ),
        (BOT, {"PODLINE_LAUNCH_TOKEN": ""}, 64, "config_invalid", "PODLINE_LAUNCH_TOKEN is missing"),
        (BOT, {"PODLINE_BOT_FILE": "no.py"}, 64, "config_invalid", "No bot found"),
    ],
)
async def test_what_would_fail_each_call_ends_the_bot_before_it_has_one(
    tmp_path: Path, bot: str, variables: dict[str, str], code: int, reason: str, said: str
) -> None:
    async with warm(tmp_path, bot, **variables) as waiting:
        found, report, _ = await waiting.end()

    assert (found, report["reason"]) == (code, reason)
    assert said in report["message"]
    assert waiting.controller.reports == []
