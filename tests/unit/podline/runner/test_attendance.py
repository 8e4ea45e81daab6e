"""What ends a call, and that only the first reason counts."""

from podline.contract.reasons import Reason
from podline.errors import RoomLost
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.channel.outbox import Outbox
from testing.fakes.controllers.clockwork import at_once


def attendance() -> Attendance:
    return Attendance(Outbox(lambda: 1.0), CallLimits(no_caller=60, return_grace=10, max_duration=1800))


@at_once
async def test_nobody_comes() -> None:
    call = attendance()
    call.joined()

    ending = await call.ending

    assert (ending.reason, ending.message) == (Reason.NO_CALLER, "The caller did not join within 60 seconds.")


@at_once
async def test_a_spent_budget_ends_the_call_with_a_goodbye_whatever_comes_after_it() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()
    call.budget_spent()
    call.terminate()

    ending = await call.ending

    assert (ending.reason, ending.goodbye, ending.is_ordered) == (Reason.BUDGET_SPENT, "ask", True)
    assert ending.message == "The call used up its budget. Start another one to continue."


@at_once
async def test_the_caller_hangs_up() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()
    call.caller_left(abruptly=False)

    ending = await call.ending

    assert (ending.reason, ending.message) == (Reason.CALLER_LEFT, "The caller left the call.")


@at_once
async def test_a_lost_caller_has_time_to_come_back() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()
    call.caller_left(abruptly=True)
    call.caller_joined()

    ending = await call.ending

    assert ending.reason == Reason.MAX_DURATION


@at_once
async def test_a_lost_caller_who_stays_away_has_left() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()
    call.caller_left(abruptly=True)

    ending = await call.ending

    assert ending.reason == Reason.CALLER_LEFT
    assert "did not come back within 10 seconds" in ending.message


@at_once
async def test_a_caller_who_came_before_the_bot_was_ready_is_not_missed() -> None:
    call = attendance()
    call.caller_joined()
    call.joined()

    ending = await call.ending

    assert ending.reason == Reason.MAX_DURATION


@at_once
async def test_the_first_reason_counts() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()
    call.room_failed(RoomLost("The room is gone."))
    call.terminate()
    call.caller_left(abruptly=False)

    ending = await call.ending

    assert (ending.reason, ending.message) == (Reason.ROOM_LOST, "The room is gone.")


@at_once
async def test_silence_without_a_caller_is_not_idleness() -> None:
    call = attendance()
    call.joined()
    call.fell_silent(300)

    ending = await call.ending

    assert ending.reason == Reason.NO_CALLER


@at_once
async def test_nobody_says_goodbye_to_a_caller_who_left() -> None:
    call = attendance()
    call.caller_joined()
    call.caller_left(abruptly=False)

    assert (await call.ending).goodbye == "none"


@at_once
async def test_the_goodbye_of_a_bot_that_ends_the_call_itself_is_waited_for() -> None:
    call = attendance()
    call.caller_joined()
    call.complete()

    ending = await call.ending

    assert (ending.reason, ending.goodbye) == (Reason.COMPLETED, "awaited")


@at_once
async def test_the_caller_is_warned_before_the_time_is_up() -> None:
    call = attendance()
    call.joined()
    call.caller_joined()

    await call.time_is_short.wait()

    assert not call.ending.done()
    assert call.warning_seconds == 30
    assert (await call.ending).reason == Reason.MAX_DURATION


@at_once
async def test_a_short_call_is_warned_when_a_quarter_is_left() -> None:
    call = Attendance(Outbox(lambda: 1.0), CallLimits(no_caller=60, return_grace=10, max_duration=20))

    assert call.warning_seconds == 5
