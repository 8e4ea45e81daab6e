"""A processor that keeps the end of a call to itself: the call ends all the same, for its own reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pipecat.frames.frames import CancelFrame, EndFrame, Frame, StopFrame

from podline.contract.reasons import TERMINATED, Reason
from podline.runner.attendance import Attendance
from tests.unit.podline.runner.health.calls import PARTS, blocks, keeps, on_the_phone, side_by_side

WAYS = {
    "drops the end": keeps(EndFrame, StopFrame),
    "drops the end and the cancellation": keeps(EndFrame, StopFrame, CancelFrame),
    "drops everything": keeps(Frame),
    "blocks": blocks,
}

Order = Callable[[Attendance], None]

ORDERS: list[tuple[Order, str]] = [
    (Attendance.terminate, TERMINATED),
    (Attendance.budget_spent, Reason.BUDGET_SPENT),
    (Attendance.complete, Reason.COMPLETED),
]


async def reason_of_end(name: str, way: str, order: Order) -> str:
    """Return the reason of a call that is ended while this processor withholds its end."""
    async with on_the_phone(grace_seconds=3) as call:
        WAYS[way](call.part(name))
        order(call.attendance)
        return (await call.ended()).reason


@pytest.mark.parametrize("way", WAYS)
async def test_no_processor_can_withhold_the_end_of_a_call(way: str, logged: list[str]) -> None:
    reasons = await side_by_side(reason_of_end(name, way, Attendance.stop) for name in PARTS)

    assert set(reasons) == {Reason.STOPPED}
    for name in PARTS:
        assert any("a processor withholds the end of the call" in line and name in line for line in logged)
    assert not any("the pipeline does not close" in line for line in logged)


async def test_a_call_whose_end_is_withheld_keeps_its_reason() -> None:
    reasons = await side_by_side(reason_of_end("OfTheAuthor", "drops everything", give) for give, _ in ORDERS)

    assert reasons == [reason for _, reason in ORDERS]


async def test_two_processors_that_withhold_it_are_both_bypassed(logged: list[str]) -> None:
    async with on_the_phone(grace_seconds=3) as call:
        for name in ("OfTheAuthor", "RoomOutput"):
            keeps(Frame)(call.part(name))
        call.attendance.stop()
        await call.ended()

    assert not any("the pipeline does not close" in line for line in logged)


async def test_a_processor_that_never_lets_go_is_left_to_the_end_of_the_process(logged: list[str]) -> None:
    released = asyncio.Event()
    async with on_the_phone(grace_seconds=3) as call:
        setattr(call.part("OfTheAuthor"), "cleanup", released.wait)  # noqa: B010 - so does a bug that nobody declared
        call.attendance.stop()

        assert (await call.ended()).reason is Reason.STOPPED
        released.set()

    assert any("the pipeline does not close" in line for line in logged)


async def test_a_bot_that_cancels_its_call_has_crashed_and_leaves_no_pipeline_behind() -> None:
    async with on_the_phone(grace_seconds=3) as call:
        call.bot.cancel()

        assert (await call.ended()).reason is Reason.CRASHED
        assert call.worker.has_finished()
