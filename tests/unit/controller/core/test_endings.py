"""Which source decides why a session ended."""

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.core.endings import decide_ending, ending_for, read_ending
from controller.core.runtime import Exit
from controller.core.session import Ending
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.reasons import EXIT_CODES, Phase, Reason
from podline.contract.usage import Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STOP = ending_for(Reason.STOPPED)


def report(reason: str, message: str = "As the bot says.") -> FinalReport:
    return FinalReport(
        reason=reason, message=message, totals=Usage(), acked_totals=Usage(), timeline=BotTimeline(now=1)
    )


def seen(**facts: Any) -> Exit:
    return Exit(at=NOW, **facts)


@pytest.mark.parametrize(
    ("intent", "exit_", "reason"),
    [
        # Our own intent comes first.
        (STOP, seen(exit_code=0, final_report=report("terminated")), Reason.STOPPED),
        (STOP, seen(signal=9), Reason.STOPPED),
        (STOP, seen(exit_code=0, final_report=report("caller_left")), Reason.STOPPED),
        (STOP, seen(process_failure=ending_for(Reason.OUT_OF_MEMORY), exit_code=137), Reason.STOPPED),
        (ending_for(Reason.UNRESPONSIVE), seen(signal=9), Reason.UNRESPONSIVE),
        # Except for one that we only concluded, while the bot knew better.
        (ending_for(Reason.UNRESPONSIVE), seen(final_report=report("caller_left")), Reason.CALLER_LEFT),
        (ending_for(Reason.UNRESPONSIVE), seen(final_report=report("terminated")), Reason.UNRESPONSIVE),
        (ending_for(Reason.UNRESPONSIVE), seen(final_report=report("stopped")), Reason.UNRESPONSIVE),
        (ending_for(Reason.START_TIMEOUT), seen(final_report=report("stopped")), Reason.START_TIMEOUT),
        (None, seen(final_report=report("stopped")), Reason.STOPPED),
        (ending_for(Reason.MAX_DURATION), seen(final_report=report("terminated")), Reason.MAX_DURATION),
        # Then what kernel and cluster did.
        (
            None,
            seen(process_failure=ending_for(Reason.OUT_OF_MEMORY), final_report=report("caller_left")),
            Reason.OUT_OF_MEMORY,
        ),
        (
            None,
            seen(disruption=ending_for(Reason.EVICTED), exit_code=0, final_report=report("terminated")),
            Reason.EVICTED,
        ),
        (None, seen(disruption=ending_for(Reason.NODE_LOST)), Reason.NODE_LOST),
        # Then the bot's final report.
        (None, seen(exit_code=1, final_report=report("caller_left")), Reason.CALLER_LEFT),
        (None, seen(exit_code=67, final_report=report("model_lost")), Reason.MODEL_LOST),
        (None, seen(exit_code=0, final_report=report("terminated")), Reason.VANISHED),
        # A bot's report doesn't count for what only the cluster can know, nor for what is no reason.
        (None, seen(exit_code=68, final_report=report("evicted")), Reason.MODEL_UNREACHABLE),
        (None, seen(exit_code=1, final_report=report("bored")), Reason.CRASHED),
        # Of a reason that only a newer bot knows, the exit code says what kind of end it was.
        (None, seen(exit_code=0, final_report=report("passed_on")), Reason.COMPLETED),
        (None, seen(exit_code=66, final_report=report("room_flooded")), Reason.ROOM_LOST),
        (None, seen(exit_code=70, final_report=report("store_lost")), Reason.CRASHED),
        (None, seen(signal=9, final_report=report("passed_on")), Reason.VANISHED),
        (
            None,
            seen(disruption=ending_for(Reason.EVICTED), exit_code=0, final_report=report("passed_on")),
            Reason.EVICTED,
        ),
        # A report from the middle of a call says nothing of its end.
        (None, seen(exit_code=0, final_report=report("running", "")), Reason.VANISHED),
        (None, seen(exit_code=3, final_report=report("running", "")), Reason.CRASHED),
        (None, seen(exit_code=68, final_report=report("running", "")), Reason.MODEL_UNREACHABLE),
        (None, seen(signal=9, final_report=report("running", "")), Reason.VANISHED),
        (ending_for(Reason.UNRESPONSIVE), seen(final_report=report("running", "")), Reason.UNRESPONSIVE),
        (
            None,
            seen(disruption=ending_for(Reason.EVICTED), signal=9, final_report=report("running", "")),
            Reason.EVICTED,
        ),
        # Then its exit status.
        *((None, seen(exit_code=code), reason) for reason, code in EXIT_CODES.items() if code),
        (None, seen(exit_code=2), Reason.CRASHED),
        (None, seen(signal=11), Reason.CRASHED),
        (None, seen(exit_code=0), Reason.VANISHED),
        (None, seen(signal=9), Reason.VANISHED),
        (None, seen(signal=15), Reason.VANISHED),
        (None, seen(), Reason.VANISHED),
    ],
)
def test_the_reason_follows_the_precedence(intent: Ending | None, exit_: Exit, reason: Reason) -> None:
    assert decide_ending(intent, exit_).reason is reason


@pytest.mark.parametrize(
    ("exit_", "message"),
    [
        (
            seen(exit_code=0),
            (
                "The bot's process exited with code 0 without a final report: its code or a library called "
                "os._exit(). Let bot() return instead."
            ),
        ),
        (
            seen(exit_code=3),
            (
                "The bot's process exited with code 3 without a final report: its code or a library called "
                "os._exit(), or the process failed before the runner could report. "
                "Read its log for the details."
            ),
        ),
        (
            seen(signal=11),
            "A native library crashed in the bot's process (SIGSEGV). Read its log for the details.",
        ),
        (seen(signal=10), "The bot's process was ended by SIGUSR1. Read its log for the details."),
        (seen(signal=32), "The bot's process was ended by signal 32. Read its log for the details."),
        (seen(signal=9), "The bot was terminated by someone else, with SIGKILL. Start another session."),
        (
            seen(exit_code=0, final_report=report("terminated")),
            "The bot was terminated by someone else. Start another session.",
        ),
        (seen(exit_code=67), ending_for(Reason.MODEL_REFUSED).message),
        (seen(), ending_for(Reason.VANISHED).message),
    ],
)
def test_an_end_without_a_report_names_the_exit_code_or_signal_and_its_likely_cause(
    exit_: Exit, message: str
) -> None:
    assert decide_ending(None, exit_).message == message


def test_the_bots_own_sentence_is_kept_within_bounds() -> None:
    ending = decide_ending(None, seen(final_report=report("crashed", "x" * 4000)))
    assert ending.message == "x" * 500


def test_a_bot_that_says_nothing_more_gets_our_sentence() -> None:
    ending = decide_ending(None, seen(final_report=report("idle", "")))
    assert ending.message == "Both sides were silent for too long."


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_says_what_happened_in_one_sentence_and_each_failure_what_to_do(reason: Reason) -> None:
    ending = ending_for(reason)
    assert ending.what_happened.endswith(".")
    assert ". " not in ending.what_happened
    assert bool(ending.advice) or reason.phase is Phase.ENDED
    assert not ending.advice or ending.advice.endswith(".")


@pytest.mark.parametrize("reason", Reason)
def test_an_ending_stored_as_one_message_is_read_back_as_the_pair(reason: Reason) -> None:
    usual = ending_for(reason)
    specific = Ending(reason=reason, what_happened="Something. Else: happened.", advice=usual.advice)

    assert read_ending(reason, None) == read_ending(reason, "") == usual
    assert read_ending(reason, usual.message) == usual
    assert read_ending(reason, specific.message) == specific


def test_a_message_with_other_advice_is_kept_whole() -> None:
    """As an earlier release or a person with kubectl may have written it."""
    ending = read_ending(Reason.EVICTED, "The bot's node gave it up. Call again.")
    assert (ending.what_happened, ending.advice) == ("The bot's node gave it up. Call again.", "")
    assert ending.message == "The bot's node gave it up. Call again."
