"""`python -m bot`: read the environment, hold one call, leave the final report, exit with its code."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from loguru import logger

from bot.persona import Persona, load_persona
from podline.contract import environment as env
from podline.contract.reasons import EXIT_CODES, TERMINATED, Reason
from podline.errors import BotError
from podline.runner.attendance import UNHURRIED_SECONDS, Attendance, Ending, Patience
from podline.runner.channel.final_report import FinalReportFile, final_report
from podline.runner.channel.outbox import Outbox
from podline.runner.logs import configure_logging
from podline.runner.settings import Settings, read_settings

if TYPE_CHECKING:
    from podline.runner.observers.spans import Traces
    from podline.runner.session import Call

FORCED_EXIT_SECONDS: Final = 0.3
"""How long before the grace period is over a bot that hangs on its way out ends itself."""
QUICK_EXIT_SECONDS: Final = 10.0
"""The same for a call without a goodbye: cancelling Pipecat during a join has been seen to take 13 s."""


class LeaveWord(Protocol):
    """Leaves the final report; one that is not final says that the bot goes on for a while."""

    def __call__(self, ending: Ending, *, is_final: bool) -> None: ...


def main() -> NoReturn:
    """Hold the call that the environment describes."""
    began = time.monotonic()
    ledger = Outbox(lambda: time.monotonic() - began)
    ledger.mark("process_up")
    leave_word = _leave_word(ledger, os.environ)
    _exit_on_early_signal(leave_word)
    configure_logging(os.environ.get(env.SESSION_ID, ""), _secrets(os.environ))
    try:
        settings = read_settings(os.environ)
        if env.traces_are_wanted(os.environ) and not settings.traced:
            logger.warning("traces can't be sent", problem=env.why_no_traces(os.environ))
        persona = load_persona(settings.persona)
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        _leave(Ending.of(error), leave_word)
    asyncio.run(_run(settings, persona, ledger, leave_word))
    raise AssertionError("a bot leaves by its own exit")


async def _run(settings: Settings, persona: Persona, ledger: Outbox, leave_word: LeaveWord) -> NoReturn:
    """Hold the call and exit from within the loop: what libraries left running there is not waited for."""
    try:
        ending = await _hold_call(settings, persona, ledger, leave_word)
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        ending = Ending.of(error)
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a reason
        logger.opt(exception=error).error("call crashed")
        ending = Ending.of_bug(error)
    _leave(ending, leave_word)


async def _hold_call(settings: Settings, persona: Persona, ledger: Outbox, leave_word: LeaveWord) -> Ending:
    call = _load_call(traced=settings.traced)
    attendance = Attendance(
        ledger,
        Patience(settings.no_caller_seconds, settings.return_grace_seconds, settings.max_duration_seconds),
    )
    loop = asyncio.get_running_loop()
    grace = settings.grace_seconds - FORCED_EXIT_SECONDS

    def terminate() -> None:
        attendance.terminate()
        _exit_by_force(attendance.ending.result(), grace, leave_word)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminate)

    def prepare_exit(decided: asyncio.Future[Ending]) -> None:
        if decided.cancelled():
            return
        ending = decided.result()
        if ending.reason is Reason.OUT_OF_MEMORY:
            # To close anything in order takes memory.
            _leave(ending, leave_word)
        leave_word(ending, is_final=False)
        # What is acknowledged from here on must be known as that, should the bot be killed on its way out.
        ledger.on_acknowledged = lambda: leave_word(ending, is_final=False)
        longest = grace if ending.is_ordered else UNHURRIED_SECONDS
        longest = min(longest, QUICK_EXIT_SECONDS) if ending.goodbye == "none" else longest
        _exit_by_force(ending, longest, leave_word)

    attendance.ending.add_done_callback(prepare_exit)
    async with _traces(traced=settings.traced) as traces:
        return await call(settings, persona, ledger, attendance, traces).hold()


def _traces(*, traced: bool) -> AbstractAsyncContextManager["Traces | None"]:
    """The call's spans, where they are wanted and nothing is wrong with what is said of them."""
    if traced:
        # OpenTelemetry's SDK, for those alone who want traces.
        from podline.runner.observers.spans import traces  # noqa: PLC0415

        try:
            return traces(os.environ)
        except ValueError as error:
            logger.warning("traces can't be sent", problem=str(error))
    return nullcontext()


def _load_call(*, traced: bool) -> type["Call"]:
    """Import the call: Pipecat and the Google SDK take a second that a wrong variable need not wait for.

    Without collections on the way it takes a tenth less (docs/benchmarks.md), and what it leaves in memory
    stays for good: frozen, no collection walks through it again in the middle of a call.
    """
    if not traced:
        # Pipecat loads OpenTelemetry wherever it is found. So it is not: that takes 3 in 100 of this time.
        sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
    gc.disable()
    from podline.runner.session import Call  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    return Call


def _leave_word(ledger: Outbox, environment: Mapping[str, str]) -> LeaveWord:
    """How to leave the final report: asked first when the end is decided, again when all is reported."""
    path = environment.get(env.LAST_WORD, "").strip()
    file = FinalReportFile(Path(path)) if path else None

    def leave(ending: Ending, *, is_final: bool) -> None:
        if file is not None:
            file.write(final_report(ledger, ending.reason, ending.message, is_final=is_final))

    return leave


def _secrets(environment: Mapping[str, str]) -> list[str]:
    """Everything that must never stand in a log, as it was given: also where a setting is wrong."""
    return [environment.get(name, "").strip() for name in env.SECRETS]


def _exit_on_early_signal(leave_word: LeaveWord) -> None:
    """End at once while nothing has begun. As PID 1 a process without a handler would not end at all."""

    def leave(_number: int, _frame: object) -> None:
        ending = Ending(TERMINATED, "The bot was told to stop before it had joined.")
        _leave(ending, leave_word)

    signal.signal(signal.SIGTERM, leave)


def _exit_by_force(ending: Ending, seconds: float, leave_word: LeaveWord) -> None:
    """Exit from a thread after this long, whatever the event loop is stuck in."""
    watchdog = threading.Timer(max(seconds, 0.0), _leave, [ending, leave_word])
    watchdog.daemon = True
    watchdog.start()


def _leave(ending: Ending, leave_word: LeaveWord) -> NoReturn:
    try:
        leave_word(ending, is_final=True)
    finally:
        _exit(ending)


def _exit(ending: Ending) -> NoReturn:
    """Exit without the interpreter's shutdown, in which native media libraries have been seen to abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if ending.reason == TERMINATED else EXIT_CODES[Reason(ending.reason)])


if __name__ == "__main__":
    main()
