"""Environment in, exit code out: run one bot for one call."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from loguru import logger

from podline.contract import environment as env
from podline.errors import BotError, ConfigInvalid, WrongVariables
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.bot_file import find_bot_file, load_bot_file
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.logs import configure_logging
from podline.runner.loop_watch import Blocked, watched_loop
from podline.runner.process_exit import FORCED_EXIT_SECONDS, ProcessExit
from podline.runner.settings import RunnerSettings, read_settings

if TYPE_CHECKING:
    from podline.runner.observers.spans import Traces
    from podline.runner.session import Bot

    LoadBot = Callable[[], Bot]
    HoldCall = Callable[[RunnerSettings, Outbox, Attendance, Traces | None], Awaitable[CallEnding]]

LOG_SECONDS: Final = 1.0
"""How long it may take to log why the process is about to exit."""

Check = Callable[[Mapping[str, str]], object]
"""Reads a bot's own settings from the environment; raises a `BotError` if they are wrong."""


def main() -> NoReturn:
    """Run the bot in a file: `python -m podline.runner`."""
    run_bot(lambda: load_bot_file(find_bot_file()), lambda _environment: find_bot_file())


def run_bot(load: "LoadBot", check: Check) -> NoReturn:
    """Run a bot for the call that the environment describes.

    Args:
        load: Imports the bot, once all settings are right.
        check: Called first, so that a mistake in the bot's own settings is reported at once.
    """
    began = time.monotonic()
    outbox = Outbox(lambda: time.monotonic() - began)
    outbox.mark("process_up")
    process_exit = ProcessExit(outbox, os.environ.get(env.LAST_WORD, "").strip())
    process_exit.on_early_signal()
    configure_logging(os.environ.get(env.SESSION_ID, ""), _secrets(os.environ))
    try:
        settings = _read_all(os.environ, check)
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        process_exit.now(CallEnding.of(error))
    if env.traces_are_wanted(os.environ) and not settings.traced:
        logger.warning("traces can't be sent", problem=env.why_no_traces(os.environ))
    with asyncio.Runner() as runner:
        try:
            runner.run(_run(load, settings, outbox, process_exit))
        except SystemExit as error:
            # Raised in any task, it stops the loop at once. The runner would wait for the other tasks.
            logger.opt(exception=error).error("call crashed")
            process_exit.now(CallEnding.of_bug(error))
    raise AssertionError("a bot ends by its own exit")


async def _run(
    load: "LoadBot", settings: RunnerSettings, outbox: Outbox, process_exit: ProcessExit
) -> NoReturn:
    """Run the call, and exit from within the loop, without waiting for what libraries still run there."""
    try:
        ending = await _hold_call(load, settings, outbox, process_exit)
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        ending = CallEnding.of(error)
    except Exception as error:  # noqa: BLE001 - the one place that turns a bug into a reason
        logger.opt(exception=error).error("call crashed")
        ending = CallEnding.of_bug(error)
    process_exit.now(ending)


async def _hold_call(
    load: "LoadBot", settings: RunnerSettings, outbox: Outbox, process_exit: ProcessExit
) -> CallEnding:
    hold_call = _load(load, settings)
    limits = CallLimits(
        settings.no_caller_seconds, settings.return_grace_seconds, settings.max_duration_seconds
    )
    attendance = Attendance(outbox, limits)

    def terminate() -> None:
        attendance.terminate()
        process_exit.by_force(attendance.ending.result(), settings.grace_seconds - FORCED_EXIT_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, terminate)

    def prepare_exit(decided: asyncio.Future[CallEnding]) -> None:
        if not decided.cancelled():
            process_exit.prepare(decided.result(), settings.grace_seconds)

    def give_up(blocked: Blocked) -> None:
        # An ending that is decided has its own watchdog.
        if not attendance.ending.done():
            process_exit.now(_ending_of_blocked(blocked))

    attendance.ending.add_done_callback(prepare_exit)
    async with watched_loop(give_up), _traces(traced=settings.traced) as traces:
        return await hold_call(settings, outbox, attendance, traces)


def _ending_of_blocked(blocked: Blocked) -> CallEnding:
    """Log what blocks the event loop, unless that is the log, and return the ending that names it."""
    from podline.runner.health.verdicts import ending_of_block  # noqa: PLC0415 - imports Pipecat

    def log() -> None:
        logger.error("the event loop is blocked", through=blocked.through)

    logging = threading.Thread(target=log, daemon=True)
    logging.start()
    logging.join(LOG_SECONDS)
    return ending_of_block(blocked.objects)


def _load(load: "LoadBot", settings: RunnerSettings) -> "HoldCall":
    """Import the bot and the code that runs its call. That takes a second, so variables are checked before.

    Without garbage collection it takes a tenth less (docs/benchmarks.md). What stays in memory is frozen, so
    that no collection walks through it in the middle of a call.
    """
    if not settings.traced:
        # Pipecat loads OpenTelemetry if it finds it. Hiding it saves 3 % of this time.
        sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
    gc.disable()
    from podline.runner.room.transports import import_transport  # noqa: PLC0415
    from podline.runner.session import hold_call  # noqa: PLC0415

    import_transport(settings)
    bot = load()
    gc.freeze()
    gc.enable()
    return partial(hold_call, bot)


def _read_all(environment: Mapping[str, str], check: Check) -> RunnerSettings:
    """Read the runner's settings and the bot's, and name everything wrong with either in one line."""
    problems: list[str] = []
    settings = None
    try:
        settings = read_settings(environment)
    except WrongVariables as error:
        problems += error.problems
    try:
        check(environment)
    except WrongVariables as error:
        problems += error.problems
    except BotError:
        # For example about a file that a variable names: irrelevant while variables are wrong.
        if not problems:
            raise
    if settings is None or problems:
        raise WrongVariables(problems)
    return settings


def _traces(*, traced: bool) -> AbstractAsyncContextManager["Traces | None"]:
    """Return a context with the call's traces, or with None if they are not wanted or can't be sent."""
    if traced:
        try:
            # OpenTelemetry's SDK is loaded only for those who want traces, and an image may lack it.
            from podline.runner.observers.spans import traces  # noqa: PLC0415

            return traces(os.environ)
        except (ConfigInvalid, ValueError) as error:
            logger.warning("traces can't be sent", problem=str(error))
    return nullcontext()


def _secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the values that must not appear in any log, as they were given, even if a setting is wrong."""
    return [environment.get(name, "").strip() for name in env.SECRETS]


if __name__ == "__main__":
    main()
