"""Each way a bot's process can end, and what its session says of it."""

import os
import shutil
import signal
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.core.endings import decide_ending, ending_for
from controller.core.runtime import Exit
from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.memory import oom_kills
from podline.contract.encoding import encode
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.reasons import REASONS_BY_EXIT_CODE, Reason
from podline.contract.usage import Usage
from testing.fakes.controllers.process_table import exists, until
from testing.fakes.controllers.served import ServeController
from tests.contract.lifecycle.test_local_bots import leaving, pid_of

OUT_OF_MEMORY = ending_for(Reason.OUT_OF_MEMORY).message
REPORT = FinalReport("idle", "It was quiet.", Usage(), Usage(), BotTimeline(now=1))

ENDS = {
    "exit-0": Reason.VANISHED,
    "exit-1": Reason.CRASHED,
    "exit-2": Reason.CRASHED,
    "exit-64": Reason.CONFIG_INVALID,
    "exit-69": Reason.MODEL_LOST,
    "exit-127": Reason.CRASHED,
    "exit-137": Reason.OUT_OF_MEMORY,
    "exit-255": Reason.CRASHED,
    "signal-1": Reason.VANISHED,
    "signal-6": Reason.CRASHED,
    "signal-9": Reason.VANISHED,
    "signal-11": Reason.CRASHED,
    "signal-15": Reason.VANISHED,
}


async def test_an_end_without_a_report_is_named_by_code_or_signal_and_frees_its_slot(
    serve: ServeController,
) -> None:
    async with serve("user", capacity=len(ENDS)) as controller:
        for _ in range(2):
            started = {end: await controller.start(user_id=end) for end in ENDS}
            over = {end: await controller.until_over(session["id"]) for end, session in started.items()}
            assert {end: session["reason"] for end, session in over.items()} == ENDS
            assert all(session["usage"]["partial"] for session in over.values())


@pytest.mark.parametrize("code", range(256))
def test_each_exit_code_has_a_reason(code: int) -> None:
    ending = decide_ending(None, Exit(at=datetime.now(UTC), exit_code=code))
    assert ending.reason is REASONS_BY_EXIT_CODE.get(code, Reason.CRASHED if code else Reason.VANISHED)
    assert ending.message


async def test_a_bot_that_cannot_be_imported_has_crashed_and_its_log_says_why(
    serve: ServeController, tmp_path: Path
) -> None:
    bot = tmp_path / "broken.py"
    bot.write_text("import no_such_module\n")
    async with serve(command=(sys.executable, "-S", str(bot))) as controller:
        over = await controller.until_over((await controller.start())["id"])
        log = (await controller.client.get(f"/v1/sessions/{over['id']}/logs")).text

    assert (over["phase"], over["reason"]) == ("failed", "crashed")
    assert "No module named 'no_such_module'" in log


async def test_a_bot_that_asks_for_more_memory_than_its_limit_is_out_of_memory(
    serve: ServeController,
) -> None:
    async with serve("hungry", bot_memory_megabytes=100) as controller:
        over = await controller.until_over((await controller.start())["id"])

    assert (over["phase"], over["reason"], over["message"]) == ("failed", "out_of_memory", OUT_OF_MEMORY)


async def test_a_bot_lives_within_its_limit(serve: ServeController) -> None:
    async with serve(bot_memory_megabytes=200) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])


@pytest.mark.parametrize(("kills", "reason"), [(3, "vanished"), (4, "out_of_memory")])
async def test_a_kill_is_the_kernels_when_the_kernel_has_counted_it(
    serve: ServeController, tmp_path: Path, kills: int, reason: str
) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 0\nmax 7\noom 4\noom_kill 3\n")
    async with serve(memory_events=events) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        events.write_text(f"low 0\nhigh 0\nmax 7\noom 5\noom_kill {kills}\n")
        os.kill(await pid_of(controller, session), signal.SIGKILL)

        assert (await controller.until_over(session["id"]))["reason"] == reason


def test_where_nobody_counts_nothing_was_killed_for_memory(tmp_path: Path) -> None:
    assert oom_kills(None) == 0
    assert oom_kills(tmp_path / "gone") == 0
    (tmp_path / "other").write_text("something else\n")
    assert oom_kills(tmp_path / "other") == 0


async def test_a_frozen_bot_is_woken_so_that_it_can_leave_its_final_report(serve: ServeController) -> None:
    async with serve(silence_seconds=1.5) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        os.kill(await pid_of(controller, session), signal.SIGSTOP)

        over = await controller.until_over(session["id"])
        assert (over["reason"], over["message"]) == ("unresponsive", ending_for(Reason.UNRESPONSIVE).message)
        assert over["usage"]["partial"] is False


async def test_a_bot_that_is_silent_and_deaf_is_gone_after_the_grace_period(serve: ServeController) -> None:
    async with serve("join mute deaf", silence_seconds=1, grace_seconds=0.2) as controller:
        session = await controller.start()
        pid = await pid_of(controller, session)

        over = await controller.until_over(session["id"])
        assert (over["reason"], over["usage"]["partial"], exists(pid)) == ("unresponsive", True, False)


@pytest.mark.parametrize("words", ["silent", "join", "join deaf"])
async def test_a_session_can_be_deleted_in_each_phase_and_again(serve: ServeController, words: str) -> None:
    async with serve(words, grace_seconds=0.5, capacity=1) as controller:
        session = await controller.start()
        path = f"/v1/sessions/{session['id']}"
        if "join" in words:
            await controller.until_live(session["id"])
        answers = [await controller.client.delete(path) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert {answer.json()["phase"] for answer in answers} == {"stopping"}

        over = await controller.until_over(session["id"])
        assert (over["phase"], over["reason"]) == ("ended", "stopped")
        late = await controller.client.delete(path)
        assert (late.status_code, late.json()) == (200, over)
        await controller.start()


@pytest.mark.parametrize(
    "statement",
    [
        "file.write(b'\\xff\\xfe')",
        "file.write(b'{\"reason\": \"' + b'\\xff' + b'\"}')",
        "file.write(b'{\"more\": ' + b'[' * 4000)",
        "file.write(REPORT[:-2])",
        "file.write(REPORT + b' ' * 4096)",
        "file.write(REPORT.replace(b'idle', b'node_lost'))",
        "file.write(REPORT.replace(b'idle', b'stopped by nobody'))",
        "os.remove(path); os.mkfifo(path)",
        "os.remove(path); os.mkdir(path)",
        "os.remove(path); os.symlink('/dev/zero', path)",
        "os.remove(path)",
    ],
)
async def test_an_invalid_final_report_leaves_the_exit_code_to_decide(
    serve: ServeController, tmp_path: Path, statement: str
) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(
        "import os\n"
        f"REPORT = {encode(REPORT)!r}\n"
        "path = os.environ['PODLINE_LAST_WORD']\n"
        f"with open(path, 'wb') as file:\n    {statement}\n"
        "os._exit(68)\n"
    )
    async with serve(command=(sys.executable, "-S", str(bot))) as controller:
        over = await controller.until_over((await controller.start())["id"])

    assert over["reason"] == "model_unreachable"


async def test_a_final_report_from_the_future_was_written_now(serve: ServeController, tmp_path: Path) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(
        "import os\n"
        "path = os.environ['PODLINE_LAST_WORD']\n"
        f"with open(path, 'wb') as file:\n    file.write({encode(REPORT)!r})\n"
        "os.utime(path, (2**33, 2**33))\n"
    )
    async with serve(command=(sys.executable, "-S", str(bot))) as controller:
        over = await controller.until_over((await controller.start())["id"])

    assert over["reason"] == "idle"
    assert all(at <= over["timeline"]["ended"] for at in over["timeline"].values() if at)


async def test_the_final_report_of_an_earlier_launch_does_not_count_for_the_next(
    serve: ServeController, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bot = leaving(tmp_path_factory, encode(REPORT).decode(), 0)
    async with serve(command=(sys.executable, "-S", str(bot)), keep_ended_seconds=0.3) as controller:
        first = await controller.start(session_id="the-same")
        assert (await controller.until_over(first["id"]))["reason"] == "idle"
        bot.write_text("import os\nos._exit(67)\n")
        path = f"/v1/sessions/{first['id']}"
        while (await controller.client.get(path)).status_code != 404:
            pass
        second = await controller.start(session_id="the-same")
        assert (await controller.until_over(second["id"]))["reason"] == "model_refused"


async def test_a_chatty_bots_log_takes_two_megabytes_at_most(serve: ServeController) -> None:
    async with serve("join chatty") as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        [directory] = controller.directory.iterdir()
        await until((directory / "bot.log.1").exists)

        text = (await controller.client.get(f"/v1/sessions/{session['id']}/logs")).text
        assert "0049999 " in text
        assert len(text) <= 2 * 2**20
        files = [path.stat() for path in directory.iterdir()]
        assert sum(file.st_size for file in files if stat.S_ISREG(file.st_mode)) <= 2 * 2**20


async def test_a_launch_without_a_working_directory_says_where_to_look(serve: ServeController) -> None:
    async with serve() as controller:
        shutil.rmtree(controller.directory)
        answer = await controller.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        assert answer.status_code == 503
        assert answer.json()["detail"] == (
            "The bot's working directory could not be created: No such file or directory. "
            "Check the disk that TMPDIR is on."
        )
        record = (await controller.client.get("/v1/sessions/one")).json()
        assert (record["reason"], record["message"]) == ("launch_failed", answer.json()["detail"])

        controller.directory.mkdir()
        again = await controller.start(session_id="one")
        await controller.until_live(again["id"])


async def test_a_full_disk_costs_the_log_and_not_the_reader(tmp_path: Path) -> None:
    (tmp_path / "bot.log").symlink_to("/dev/full")
    log = BoundedLog(tmp_path, limit_bytes=50)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            log.write(b"a line\n")
    log.close()

    assert [part async for part in log.read(follow=True)] == []


async def test_a_log_that_cannot_turn_over_is_kept_and_goes_on_later(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path, limit_bytes=10)
    log.write(b"0123456789")
    (tmp_path / "bot.log.next").mkdir()
    with pytest.raises(OSError, match="directory"):
        log.write(b"lost")
    (tmp_path / "bot.log.next").rmdir()
    log.write(b"and on")
    log.close()

    assert b"".join([part async for part in log.read(follow=False)]) == b"0123456789and on"
