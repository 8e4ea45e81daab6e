"""Each processor of a pipeline is killed in each way, and the call ends naming it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pipecat.frames.frames import EndFrame, Frame, InputTextRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.errors import ErrorCategory

from podline.contract.reasons import Reason
from podline.errors import ModelLost
from podline.runner.ending import CallEnding
from tests.unit.podline.runner.health.calls import PARTS, Call, on_the_phone, side_by_side, spoil

Way = Callable[[Call, FrameProcessor], Awaitable[None]]
Kill = Callable[[Callable[[], BaseException]], Way]


def raises(error: Callable[[], BaseException]) -> Way:
    async def way(_call: Call, part: FrameProcessor) -> None:
        async def process(_frame: Frame, _direction: FrameDirection) -> None:
            raise error()

        spoil(part, process)

    return way


def raises_in_a_task(error: Callable[[], BaseException]) -> Way:
    async def way(_call: Call, part: FrameProcessor) -> None:
        async def work() -> None:
            raise error()

        part.create_task(work(), "watch the weather")

    return way


async def awaits_what_was_cancelled(_call: Call, part: FrameProcessor) -> None:
    """Have the cancellation of something else end the processor's own task silently."""
    elsewhere = asyncio.get_running_loop().create_future()
    elsewhere.cancel()

    async def process(_frame: Frame, _direction: FrameDirection) -> None:
        await elsewhere

    spoil(part, process)


async def says_that_it_is_unusable(_call: Call, part: FrameProcessor) -> None:
    await part.set_usable(is_usable=False)


async def reports_a_permanent_error(_call: Call, part: FrameProcessor) -> None:
    await part.push_error("the key is wrong", category=ErrorCategory.AUTHENTICATION)


async def gives_up(_call: Call, part: FrameProcessor) -> None:
    await part.push_error("it is over", exception=OSError("gone"), force_treat_as_permanent=True)


def bug() -> Exception:
    return RuntimeError("a bug that may quote anything: 4111 1111 1111 1111")


WAYS: dict[str, tuple[Way, str]] = {
    "raises": (raises(bug), "crashed with RuntimeError"),
    "raises in a task": (raises_in_a_task(bug), "crashed with RuntimeError in its task watch the weather"),
    "wants to exit": (raises(SystemExit), "crashed with SystemExit"),
    "awaits what was cancelled": (awaits_what_was_cancelled, "crashed with CancelledError"),
    "says that it is unusable": (says_that_it_is_unusable, "reported that it can no longer work"),
    "reports a permanent error": (reports_a_permanent_error, "reported that it can no longer work"),
    "gives up": (gives_up, "reported that it can no longer work"),
}


async def killed(name: str, way: Way) -> CallEnding:
    """Return how a call ends if this part is killed in this way and the caller asks for something."""
    async with on_the_phone() as call:
        await way(call, call.part(name))
        await call.worker.queue_frame(InputTextRawFrame("Are you there?"))
        return await call.ended()


def reason_of(name: str, way: str) -> Reason:
    if name.startswith("Room"):
        return Reason.ROOM_LOST
    if name == "Model":
        return Reason.MODEL_REFUSED if way == "reports a permanent error" else Reason.MODEL_LOST
    return Reason.CRASHED


@pytest.mark.parametrize("way", WAYS)
async def test_a_processor_that_dies_ends_the_call_by_name(way: str) -> None:
    kill, what = WAYS[way]

    endings = await side_by_side(killed(name, kill) for name in PARTS)

    for name, ending in zip(PARTS, endings, strict=True):
        assert name in ending.message
        assert ending.message.startswith("The processor ")
        assert what in ending.message
        assert ending.message.endswith("; see the bot's log.")
        assert ending.reason is reason_of(name, way)


async def test_without_memory_the_call_ends_as_out_of_memory() -> None:
    kills: list[Kill] = [raises, raises_in_a_task]

    endings = await side_by_side(killed("OfTheAuthor", kill(MemoryError)) for kill in kills)

    assert {ending.reason for ending in endings} == {Reason.OUT_OF_MEMORY}


async def test_an_error_of_ours_ends_the_call_with_its_own_message() -> None:
    kills: list[Kill] = [raises, raises_in_a_task]
    lost = ModelLost("The model is gone.")

    endings = await side_by_side(killed("Model", kill(lambda: lost)) for kill in kills)

    assert {(ending.reason, ending.message) for ending in endings} == {
        (Reason.MODEL_LOST, "The model is gone.")
    }


async def test_an_error_that_a_processor_handles_changes_nothing() -> None:
    async with on_the_phone() as call:
        for name in PARTS:
            await call.part(name).push_error("one message was odd", exception=ValueError("odd"))
        await call.settled()

        assert not call.attendance.ending.done()


async def test_a_processor_that_ends_the_pipeline_ends_the_call() -> None:
    async with on_the_phone() as call:
        await call.part("Model").push_frame(EndFrame())

        assert (await call.ended()).reason is Reason.COMPLETED
