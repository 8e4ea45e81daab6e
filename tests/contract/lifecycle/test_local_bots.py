"""Bots as real processes: started, met, ended in every way a process can end."""

import asyncio
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from controller.runtimes.local.programs import bot_variables
from podline.contract.encoding import encode
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.usage import Usage
from testing.fakes.controllers.process_table import exists, until
from testing.fakes.controllers.served import Controller, ServeController

OFFER = {"sdp": "v=0", "type": "offer"}


async def said(controller: Controller, session: dict[str, Any], word: str) -> int:
    """The number a bot has written to its log after `word`."""
    async with (
        asyncio.timeout(5),
        controller.client.stream("GET", f"/v1/sessions/{session['id']}/logs?follow=true") as log,
    ):
        async for line in log.aiter_lines():
            if line.startswith(word):
                return int(line.removeprefix(word))
    raise AssertionError(f"the bot never said {word}")


async def pid_of(controller: Controller, session: dict[str, Any]) -> int:
    return await said(controller, session, "pid ")


def leaving(directories: pytest.TempPathFactory, word: str, code: int) -> Path:
    """A bot that does nothing but leave."""
    bot = directories.mktemp("bot") / "bot.py"
    path = "os.environ['PODLINE_LAST_WORD']"
    bot.write_text(f"import os\nwith open({path}, 'w') as file: file.write({word!r})\nos._exit({code})\n")
    return bot


async def test_a_call_from_the_start_to_the_callers_leaving(serve: ServeController) -> None:
    async with serve("join leave") as controller:
        started = (await controller.client.post("/start", json={"transport": "webrtc"})).json()
        answer = await controller.client.post(f"/sessions/{started['sessionId']}/api/offer", json=OFFER)
        assert answer.json() == {"sdp": "answer to v=0", "type": "answer", "pc_id": "pc-1"}

        session = await controller.until_over(started["sessionId"])
        assert (session["phase"], session["reason"]) == ("ended", "caller_left")
        assert session["message"] == "The fake bot says: caller_left."
        assert session["user_id"].startswith("anonymous-")
        assert session["usage"]["models"]["fake"]["prompt_tokens"] == 10
        assert session["usage"]["tool_calls"] == {"search_products": {"ok": 1, "error": 0}}
        assert session["usage"]["talk_seconds"] == {"caller": 1.5, "bot": 2.5}
        assert session["usage"]["partial"] is False
        reached = [session["timeline"][step] for step in ("accepted", "process_up", "joined", "ended")]
        assert all(earlier <= later for earlier, later in pairwise(reached)), reached


async def test_an_offer_to_a_session_that_has_ended_is_final_and_says_why(serve: ServeController) -> None:
    async with serve("join leave") as controller:
        session = await controller.start()
        await controller.offer(session, OFFER)
        await controller.until_over(session["id"])

        late = await controller.offer(session, OFFER)
        assert (late.status_code, late.json()["code"]) == (410, "session_ended")
        assert late.json()["detail"] == "The session has ended. The fake bot says: caller_left."


async def test_a_refused_offer_is_a_conflict_in_the_bots_words(serve: ServeController) -> None:
    async with serve("join refuse") as controller:
        session = await controller.start()
        answer = await controller.offer(session, OFFER)

        assert (answer.status_code, answer.json()["code"]) == (409, "offer_refused")
        assert answer.json()["detail"] == "Another caller is in this session already."


async def test_an_offer_held_for_a_bot_that_crashes_is_answered_at_once(serve: ServeController) -> None:
    async with serve("crash") as controller:
        session = await controller.start()
        answer = await controller.offer(session, OFFER)

        assert answer.status_code == 410
        assert "The model refused the bot." in answer.json()["detail"]
        over = await controller.until_over(session["id"])
        assert (over["phase"], over["reason"]) == ("failed", "model_refused")
        assert over["usage"]["partial"] is True


async def test_a_stopped_session_is_stopping_until_the_bot_has_gone(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        pid = await pid_of(controller, session)

        stopped = await controller.client.delete(f"/v1/sessions/{session['id']}")
        assert (stopped.status_code, stopped.json()["phase"]) == (202, "stopping")
        over = await controller.until_over(session["id"])
        assert not exists(pid)
        assert (over["phase"], over["reason"]) == ("ended", "stopped")
        assert over["message"] == "The session was stopped on request."
        again = await controller.client.delete(f"/v1/sessions/{session['id']}")
        assert (again.status_code, again.json()["reason"]) == (200, "stopped")


async def test_a_bot_that_ignores_its_stop_is_killed_after_the_grace_period(serve: ServeController) -> None:
    async with serve("join deaf", grace_seconds=0.3) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        pid = await pid_of(controller, session)
        await controller.client.delete(f"/v1/sessions/{session['id']}")

        over = await controller.until_over(session["id"])
        assert not exists(pid)
        assert (over["reason"], over["usage"]["partial"], over["usage"]["turns"]) == ("stopped", True, 1)


async def test_a_bot_killed_by_somebody_else_has_vanished(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        os.kill(await pid_of(controller, session), signal.SIGKILL)

        over = await controller.until_over(session["id"])
        assert (over["phase"], over["reason"]) == ("failed", "vanished")
        assert over["usage"]["partial"] is True


async def test_a_bot_terminated_by_somebody_else_has_vanished_with_its_usage_known(
    serve: ServeController,
) -> None:
    async with serve() as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        os.kill(await pid_of(controller, session), signal.SIGTERM)

        over = await controller.until_over(session["id"])
        assert (over["reason"], over["usage"]["partial"]) == ("vanished", False)


async def test_a_bot_that_is_frozen_is_unresponsive(serve: ServeController) -> None:
    async with serve(silence_seconds=1.5, grace_seconds=0.2) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        pid = await pid_of(controller, session)
        os.kill(pid, signal.SIGSTOP)

        over = await controller.until_over(session["id"])
        assert not exists(pid)
        assert (over["phase"], over["reason"]) == ("failed", "unresponsive")


async def test_a_bot_that_never_joins_runs_into_the_start_timeout(serve: ServeController) -> None:
    async with serve("silent", start_timeout_seconds=0.3) as controller:
        session = await controller.start()

        over = await controller.until_over(session["id"])
        assert (over["phase"], over["reason"]) == ("failed", "start_timeout")
        assert over["message"] == "The bot did not join in time. Read its log to see how far it got."


async def test_nothing_of_a_bots_process_group_outlives_it(serve: ServeController) -> None:
    async with serve("join child leave") as controller:
        session = await controller.start()
        await controller.offer(session, OFFER)
        await controller.until_over(session["id"])

        child = await said(controller, session, "child ")
        await until(lambda: not exists(child))


async def test_logs_can_be_followed_until_the_bot_is_gone(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        path = f"/v1/sessions/{session['id']}"
        async with controller.client.stream("GET", f"{path}/logs?follow=true") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "fake bot here"
            await controller.until_live(session["id"])
            await controller.client.delete(path)
            rest = [line async for line in lines]
        assert rest[-1] == "fake bot leaves: terminated"


async def test_a_bots_log_and_directory_go_with_its_record(serve: ServeController) -> None:
    async with serve("crash", keep_ended_seconds=0.2) as controller:
        session = await controller.start()
        async with asyncio.timeout(5):
            while list(controller.directory.iterdir()):  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.02)
            while (await controller.client.get(f"/v1/sessions/{session['id']}")).status_code != 404:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.02)


async def test_a_command_that_cannot_be_run_is_told_to_the_caller(serve: ServeController) -> None:
    async with serve(command=("/nowhere/at/all",)) as controller:
        answer = await controller.client.post("/v1/sessions", json={"user_id": "ana"})

        assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
        assert answer.json()["detail"] == (
            "The bot's process could not be started: No such file or directory."
        )
        assert list(controller.directory.iterdir()) == []


def test_a_bot_sees_no_secret_of_the_controllers() -> None:
    given = {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "https_proxy": "http://proxy",
        "GOOGLE_API_KEY": "key",
        "CONVEX_TOKEN": "",
        "DAILY_API_KEY": "secret",
        "PODLINE_SECRET": "secret",
        "PODLINE_KEYS_FILE": "/keys.json",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    assert set(bot_variables(given)) == {"PATH", "LC_ALL", "https_proxy", "GOOGLE_API_KEY"}


def test_bots_send_their_spans_where_the_controller_does_under_a_name_of_their_own() -> None:
    shared = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key=k"}
    own = {"OTEL_SERVICE_NAME": "voice", "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=controller-0"}
    assert bot_variables({**shared, **own, "TRACEPARENT": "of our own start"}) == shared


async def test_moments_are_told_in_utc_wherever_the_controller_stands(
    serve: ServeController, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    word = FinalReport("idle", "It was quiet.", Usage(), Usage(), BotTimeline(now=1, process_up=1, joined=1))
    bot = leaving(tmp_path_factory, encode(word).decode(), 0)
    async with serve(command=(sys.executable, "-S", str(bot))) as controller:
        over = await controller.until_over((await controller.start())["id"])
    monkeypatch.undo()
    time.tzset()

    moments = [at for at in over["timeline"].values() if at is not None]
    assert len(moments) == 6
    assert {at[-1] for at in moments} == {"Z"}


@pytest.mark.parametrize("left", ["nonsense", "[]", '{"reason": "idle"}', " " * 5000])
async def test_a_last_word_that_cannot_be_read_is_no_word(
    serve: ServeController, tmp_path_factory: pytest.TempPathFactory, left: str
) -> None:
    bot = leaving(tmp_path_factory, left, 68)
    async with serve(command=(sys.executable, "-S", str(bot))) as controller:
        session = await controller.start()
        over = await controller.until_over(session["id"])

    assert (over["reason"], over["usage"]["partial"]) == ("model_unreachable", True)
