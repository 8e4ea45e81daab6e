"""A bot of somebody's own in the runner: what its session becomes if it returns, raises or does nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import EndFrame, LLMRunFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.workers.runner import WorkerRunner

import podline
from podline.contract.reasons import Reason
from podline.errors import ModelRefused
from podline.runner import session as runner_session
from podline.runner.attachment import handles_client_messages
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.bot_file import BotFile
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.session import BotSession
from podline.runner.settings import read_settings
from tests.unit.podline.runner.health.calls import ENVIRONMENT, Room, processors

Bot = Callable[[Any], Awaitable[None]]


async def ending_of(
    bot: Bot, *, caller_leaves: bool = False, take_signals: Callable[[], None] = lambda: None
) -> CallEnding:
    """Let a bot hold a call whose caller is there, or has just been lost."""
    outbox = Outbox(lambda: 1.0)
    attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    attendance.caller_joined()
    if caller_leaves:
        attendance.caller_left(abruptly=True)
    session = BotSession(read_settings(ENVIRONMENT), outbox, attendance, None, take_signals)
    async with asyncio.timeout(20):
        await session.run(BotFile(Path(__file__), bot))
    return attendance.ending.result()


async def run(*workers: PipelineWorker) -> None:
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(*workers)
    await runner.run()


async def ends_its_pipeline(_runner_args: Any) -> None:
    worker = PipelineWorker(Pipeline(processors(Room())))
    await worker.queue_frames([LLMRunFrame(), EndFrame()])
    await run(worker)


async def test_a_bot_that_ends_its_pipeline_has_completed_the_call() -> None:
    ending = await ending_of(ends_its_pipeline)

    assert (ending.reason, ending.message) == (Reason.COMPLETED, "The bot ended the call.")


async def test_a_bot_that_ends_its_pipeline_once_its_caller_is_gone_was_left() -> None:
    assert (await ending_of(ends_its_pipeline, caller_leaves=True)).reason is Reason.CALLER_LEFT


async def test_a_bot_that_returns_at_once_learns_what_is_expected_of_it() -> None:
    async def bot(_runner_args: Any) -> None: ...

    ending = await ending_of(bot)

    assert ending.reason is Reason.CRASHED
    assert ending.message == (
        "The bot returned without running a PipelineWorker: let bot(runner_args) build a pipeline and run it "
        "with a WorkerRunner."
    )


async def test_a_bot_without_a_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_session, "WORKER_SECONDS", 0.05)

    async def bot(_runner_args: Any) -> None:
        await asyncio.get_running_loop().create_future()

    ending = await ending_of(bot)

    assert ending.reason is Reason.CRASHED
    assert "ran no PipelineWorker within 0.05 seconds" in ending.message


async def test_a_bot_whose_pipeline_is_in_no_room_learns_so() -> None:
    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline([IdentityFilter()]))
        await worker.queue_frame(EndFrame())
        await run(worker)

    assert "runs no pipeline in its caller's room" in (await ending_of(bot)).message


async def test_a_bot_that_raises_has_crashed_where_it_raised() -> None:
    async def bot(_runner_args: Any) -> None:
        raise KeyError("a caller's words")

    ending = await ending_of(bot)

    assert ending.reason is Reason.CRASHED
    assert "The bot raised KeyError in test_session.py, line " in ending.message
    assert "words" not in ending.message


async def test_a_bot_that_raises_in_the_middle_of_the_call_leaves_no_pipeline_behind() -> None:
    workers = []

    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline(processors(Room())))
        workers.append(worker)
        started = asyncio.Event()
        worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
        asyncio.get_running_loop().create_task(run(worker))
        await started.wait()
        raise ValueError

    assert (await ending_of(bot)).reason is Reason.CRASHED
    assert workers[0].has_finished()


async def test_a_bot_that_exits_has_crashed() -> None:
    async def bot(_runner_args: Any) -> None:
        sys.exit(3)

    assert "The bot called sys.exit() in test_session.py, line " in (await ending_of(bot)).message


async def test_a_bot_that_cancels_itself_has_crashed() -> None:
    async def bot(_runner_args: Any) -> None:
        raise asyncio.CancelledError

    assert "raised CancelledError" in (await ending_of(bot)).message


async def test_a_bot_whose_model_refuses_it_ends_for_that_reason() -> None:
    async def bot(_runner_args: Any) -> None:
        raise ModelRefused("Gemini refused the key.")

    ending = await ending_of(bot)

    assert (ending.reason, ending.message) == (Reason.MODEL_REFUSED, "Gemini refused the key.")


async def test_a_bot_that_ends_the_call_says_why() -> None:
    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline(processors(Room())))
        podline.call().end("Everything is sold.")
        await run(worker)

    ending = await ending_of(bot)

    assert (ending.reason, ending.message) == (Reason.COMPLETED, "Everything is sold.")


async def test_a_bot_that_runs_nothing_is_not_waited_for(logged: list[str]) -> None:
    async def bot(_runner_args: Any) -> None:
        podline.call().end("Nobody came.")
        await asyncio.get_running_loop().create_future()

    assert (await ending_of(bot)).message == "Nobody came."
    assert not any("the bot does not return" in line for line in logged)


async def test_a_bot_that_switched_metrics_off_has_them_and_is_told(logged: list[str]) -> None:
    workers = []

    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline(processors(Room())), params=PipelineParams(enable_metrics=False))
        workers.append(worker)
        await worker.queue_frame(EndFrame())
        await run(worker)

    await ending_of(bot)

    assert workers[0].params.enable_usage_metrics
    assert any("the bot's metrics are off, turned on" in line for line in logged)


async def test_a_bot_s_own_idle_timeout_ends_the_call_as_idle() -> None:
    async def bot(_runner_args: Any) -> None:
        await run(PipelineWorker(Pipeline(processors(Room())), idle_timeout_secs=0.2))

    ending = await ending_of(bot)

    assert (ending.reason, ending.message) == (Reason.IDLE, "Neither side spoke for 0.2 seconds.")


async def test_a_bot_whose_own_observer_fails_goes_on() -> None:
    class Curious(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            raise KeyError(data.frame.name)

    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline(processors(Room())), observers=[Curious()])
        await worker.queue_frames([LLMRunFrame(), EndFrame()])
        await run(worker)

    assert (await ending_of(bot)).reason is Reason.COMPLETED


async def test_signals_are_the_runner_s_although_a_bot_handles_them() -> None:
    loop = asyncio.get_running_loop()
    taken = asyncio.Event()

    async def bot(_runner_args: Any) -> None:
        worker = PipelineWorker(Pipeline(processors(Room())))
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=True)
        worker.add_event_handler("on_pipeline_started", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await taken.wait()
        podline.call().end("The signal came.")
        await running

    try:
        ending = await ending_of(bot, take_signals=lambda: loop.add_signal_handler(signal.SIGTERM, taken.set))
    finally:
        loop.remove_signal_handler(signal.SIGTERM)

    assert ending.message == "The signal came."


async def test_an_event_of_the_connection_finds_the_call_that_the_bot_holds() -> None:
    outbox = Outbox(lambda: 1.0)
    attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    session = BotSession(read_settings(ENVIRONMENT), outbox, attendance)
    left = asyncio.Event()
    users = []

    async def on_client_disconnected() -> None:
        users.append(podline.call().user_id)
        left.set()

    async def bot(_runner_args: Any) -> None:
        await session._meeting.events.pass_on(
            "on_client_disconnected", on_client_disconnected, is_caller=True
        )
        attendance.caller_joined()
        attendance.caller_left(abruptly=False)
        await left.wait()

    async with asyncio.timeout(20):
        await session.run(BotFile(Path(__file__), bot))

    assert users == ["ana"]


@pytest.mark.parametrize("handles", [True, False])
async def test_a_bot_gets_the_messages_of_its_own_page_if_it_handles_them(handles: bool) -> None:  # noqa: FBT001
    worker = PipelineWorker(Pipeline(processors(Room())))
    if handles:
        worker.rtvi.add_event_handler("on_client_message", lambda *_: None)

    assert handles_client_messages(worker.rtvi) is handles


async def test_a_pipeline_that_takes_the_place_of_one_that_has_ended_goes_on_with_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_session, "LEAVING_SECONDS", 3.0)

    async def bot(_runner_args: Any) -> None:
        await ends_its_pipeline(_runner_args)
        await run(PipelineWorker(Pipeline(processors(Room())), idle_timeout_secs=4.0))

    # The idle time of the second, long after the first has ended.
    assert (await ending_of(bot)).message == "Neither side spoke for 4 seconds."
