"""Decide a session's end reason and message. Pure."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from controller.core.runtime import Exit
from controller.core.session import Ending
from podline.contract.messages import FinalReport
from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import EXIT_CODES, REASONS_BY_EXIT_CODE, RUNNING, TERMINATED, Reason
from podline.contract.text import printable

_ENDINGS: Final[dict[Reason, Ending]] = {
    reason: Ending(reason=reason, what_happened=texts.what_happened, advice=texts.advice)
    for reason, texts in TEXTS.items()
}

_CONCLUDED_FROM_SILENCE: Final = frozenset({Reason.START_TIMEOUT, Reason.UNRESPONSIVE})
_SIGNALS_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_SIGNALS_OF_NATIVE_CRASHES: Final = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}
)
_KNOWN_REASONS: Final = frozenset({*map(str, Reason), TERMINATED, RUNNING})
_MAX_MESSAGE_CHARACTERS: Final = 500


def ending_for(reason: Reason) -> Ending:
    """Return the usual ending for a reason."""
    return _ENDINGS[reason]


def read_ending(reason: Reason, message: str | None) -> Ending:
    """Return an ending that was stored as one message. Only the reason's usual advice is recognised in it."""
    usual = _ENDINGS[reason]
    if not message:
        return usual
    if usual.advice and message.endswith(f" {usual.advice}"):
        what_happened = message.removesuffix(f" {usual.advice}")
        return Ending(reason=reason, what_happened=what_happened, advice=usual.advice)
    return Ending(reason=reason, what_happened=message)


def read_unknown_ending(message: str | None, *, is_failure: bool) -> Ending:
    """Return the nearest ending to one whose reason only a newer release knows."""
    usual = _ENDINGS[Reason.CRASHED if is_failure else Reason.COMPLETED]
    return Ending(reason=usual.reason, what_happened=message) if message else usual


def decide_ending(intent: Ending | None, exit_: Exit) -> Ending:
    """Decide why a session ended: ask the sources in `_PRECEDENCE`, and take the first that knows.

    Args:
        intent: why we asked the bot to leave; None if we didn't.
        exit_: the runtime's evidence.
    """
    known = (ending for source in _PRECEDENCE if (ending := source(intent, exit_)) is not None)
    return next(known, _ENDINGS[Reason.VANISHED])


def _recorded_intent(intent: Ending | None, _: Exit) -> Ending | None:
    """Return why we asked the bot to leave, unless we only concluded it from silence."""
    return None if intent is None or intent.reason in _CONCLUDED_FROM_SILENCE else intent


def _process_failure(_: Ending | None, exit_: Exit) -> Ending | None:
    return exit_.process_failure


def _disruption(_: Ending | None, exit_: Exit) -> Ending | None:
    """Return an eviction or a lost node, unless the bot had already ended for a reason of its own.

    A drain that waits for the end of a call deletes the pod right after it.
    """
    was_killed = exit_.signal == signal.SIGKILL
    if not was_killed and _reason_of_its_own(exit_.final_report) is not None:
        return None
    return exit_.disruption


def _blocker(_: Ending | None, exit_: Exit) -> Ending | None:
    return exit_.blocker


def _concluded_intent(intent: Ending | None, _: Exit) -> Ending | None:
    """Return why we asked the bot to leave, even if we only concluded it from silence.

    A bot that was silent to us may have ended for a reason of its own, of which no watch told us.
    """
    return intent


def _repeated_intent(intent: Ending | None, exit_: Exit) -> Ending | None:
    """Return why we asked the bot to leave if it only repeats that somebody did.

    A frozen bot that wakes up to be stopped finds our request in its inbox.
    """
    report = exit_.final_report
    return intent if report is not None and report.reason == Reason.STOPPED else None


def _final_report(_: Ending | None, exit_: Exit) -> Ending | None:
    """Return what the bot reports about its end. A bot that was terminated doesn't know why.

    Of a reason that only a newer bot knows, its exit code says what kind of end it was.
    """
    report = exit_.final_report
    if report is None:
        return None
    reason, message = _reason_of_its_own(report), printable(report.message, _MAX_MESSAGE_CHARACTERS)
    if reason is not None:
        return Ending(reason=reason, what_happened=message) if message else _ENDINGS[reason]
    if exit_.exit_code is None or report.reason in _KNOWN_REASONS:
        return None
    known = REASONS_BY_EXIT_CODE.get(exit_.exit_code)
    if known is not None:
        return Ending(reason=known, what_happened=message) if message else _ENDINGS[known]
    return read_unknown_ending(message, is_failure=exit_.exit_code != 0)


def _launch_end(_: Ending | None, exit_: Exit) -> Ending | None:
    return exit_.launch_end


def _exit_status(_: Ending | None, exit_: Exit) -> Ending | None:
    if exit_.final_report is not None and exit_.final_report.reason == TERMINATED:
        return replace(_ENDINGS[Reason.VANISHED], what_happened="The bot was terminated by someone else.")
    if exit_.signal is not None:
        return _ending_of_signal(exit_.signal)
    if exit_.exit_code is not None:
        return _ending_of_code(exit_.exit_code)
    return None


def _ending_of_signal(number: int) -> Ending:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number in _SIGNALS_FROM_OUTSIDE:
        what_happened = f"The bot was terminated by someone else, with {name}."
        return replace(_ENDINGS[Reason.VANISHED], what_happened=what_happened)
    what_happened = f"The bot's process was ended by {name}."
    if number in _SIGNALS_OF_NATIVE_CRASHES:
        what_happened = f"A native library crashed in the bot's process ({name})."
    return replace(_ENDINGS[Reason.CRASHED], what_happened=what_happened)


def _ending_of_code(code: int) -> Ending:
    """Return the ending of a process that exited by itself and did not report why."""
    reason = REASONS_BY_EXIT_CODE.get(code, Reason.CRASHED if code else Reason.VANISHED)
    if reason not in (Reason.CRASHED, Reason.VANISHED):
        return _ENDINGS[reason]
    cause = "its code or a library called os._exit()"
    if code:
        cause += ", or the process failed before the runner could report"
    what_happened = f"The bot's process exited with code {code} without a final report: {cause}."
    advice = _ENDINGS[reason].advice if code else "Let bot() return instead."
    return Ending(reason=reason, what_happened=what_happened, advice=advice)


_PRECEDENCE: Final[tuple[Callable[[Ending | None, Exit], Ending | None], ...]] = (
    _recorded_intent,
    _process_failure,
    _disruption,
    _blocker,
    _repeated_intent,
    _final_report,
    _concluded_intent,
    # Above the exit status: a bot whose Job was stopped exits with whatever status SIGTERM caused.
    _launch_end,
    _exit_status,
)
"""The sources of an ending. The first that knows one decides."""


def _reason_of_its_own(report: FinalReport | None) -> Reason | None:
    """Return the reason in a final report if a bot can give it: one with an exit code.

    A bot can't know that it was evicted, or that its node was lost.
    """
    if report is None:
        return None
    return next((reason for reason in EXIT_CODES if reason == report.reason), None)
