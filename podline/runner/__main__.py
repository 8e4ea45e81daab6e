"""Environment in, exit code out: run one bot for one call."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from loguru import logger

from podline.contract import environment as env
from podline.errors import BotError, ConfigInvalid
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.bot_errors import ending_of_bot, message_with_error
from podline.runner.bot_file import BotFile, find_bot_file, load_bot_file
from podline.runner.bot_output import BotOutput
from podline.runner.channel.outbox import Outbox
from podline.runner.dry_start import start_dry
from podline.runner.early_imports import import_session, import_what_was_put_off, prepare_for_any_call
from podline.runner.ending import CANCELLED, LOOP_STOPPED, CallEnding
from podline.runner.loop_watch import Blocked, watched_loop
from podline.runner.pausing_loop import LoopStopped, PausingLoop
from podline.runner.process_exit import FORCED_EXIT_SECONDS, ProcessExit
from podline.runner.settings import (
    RunnerSettings,
    WaitingSettings,
    read_settings,
    read_waiting_settings,
)
from podline.runner.waiting import settle_memory, take_variables, wait_for_call

if TYPE_CHECKING:
    from podline.runner.early_imports import HoldCall
    from podline.runner.forking.files_read import FilesRead
    from podline.runner.observers.spans import Traces

LOG_SECONDS: Final = 1.0
"""How long it may take to log why the process is about to exit."""
_NO_TELEMETRY: Final = "ORT_DISABLE_TELEMETRY"
"""Otherwise onnxruntime, which Pipecat imports, reports to Microsoft, from a thread and with a database."""


@dataclass(frozen=True)
class _Process:
    """What a process has from its start, whether it is started for a call or waits for one."""

    bot_file: Path
    loop: PausingLoop
    outbox: Outbox
    exit: ProcessExit
    output: BotOutput
    around: "Callable[[HoldCall], HoldCall] | None"
    preloaded: "Preloaded | None" = None

    async def load_bot(self) -> BotFile:
        bot = await self.loop.paused(lambda: load_bot_file(self.bot_file))
        self.output.keep_logging()
        return bot


@dataclass(frozen=True)
class Preloaded:
    """What was imported before a bot was forked.

    Attributes:
        bot: None if it must not be imported before there is a call.
    """

    bot: BotFile | None


def main(around: "Callable[[HoldCall], HoldCall] | None" = None) -> NoReturn:
    """Run the bot in its file for the call that the environment describes, or that the bot is given later.

    `around` may put something around what holds the call, such as a measurement.
    """
    began = time.monotonic()
    os.environ.setdefault(_NO_TELEMETRY, "1")
    output = BotOutput(os.environ)
    preloaded = None
    if (control := os.environ.pop(env.FORKS, None)) is not None:
        output.begin()
        preloaded = _fork_bots(int(control), output)
        output.read_again()
        began = time.monotonic()
    outbox = Outbox(lambda: time.monotonic() - began)
    outbox.mark("process_up")

    def message_of(ending: CallEnding) -> str:
        shows_errors = output.logged_call.shows_errors
        return message_with_error(ending, output.secrets) if shows_errors else ending.message

    process_exit = ProcessExit(outbox, os.environ.get(env.LAST_WORD, "").strip(), message_of)
    process_exit.on_early_signal(signal.SIGTERM)
    if preloaded is None:
        output.begin()
    settings: RunnerSettings | WaitingSettings
    try:
        if env.DRY_START in os.environ:
            process_exit.now(start_dry(os.environ))
        # Wrong variables are named before a missing file.
        settings = read_waiting_settings(os.environ) if env.waits(os.environ) else read_settings(os.environ)
        bot_file = find_bot_file(os.environ)
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        process_exit.now(CallEnding.of(error))
    loop = PausingLoop(asyncio.new_event_loop())
    process = _Process(bot_file, loop, outbox, process_exit, output, around, preloaded)
    try:
        if isinstance(settings, WaitingSettings):
            holding = _wait_and_hold_call(process, settings)
        else:
            holding = _hold_call(process, settings)
        loop.run(_exit_after(holding, process_exit))
    except (SystemExit, KeyboardInterrupt) as error:
        # Raised in any task, it stops the loop at once.
        logger.opt(exception=error).error("call crashed")
        process_exit.now(ending_of_bot(error, bot_file))
    except asyncio.CancelledError:
        process_exit.now(CANCELLED)
    except (LoopStopped, RuntimeError) as error:
        # A closed loop raises a RuntimeError.
        logger.opt(exception=error).error("call crashed")
        process_exit.now(LOOP_STOPPED)
    raise AssertionError("a bot ends by its own exit")


def _fork_bots(control: int, output: BotOutput) -> Preloaded:
    """Import what bots need, and fork them as the controller asks for them. Return in each of them."""
    from podline.runner.forking.bot_forker import BotForker  # noqa: PLC0415 - only where one is wanted

    def prepare(files: "FilesRead") -> Preloaded:
        traced = env.traces_are_wanted(os.environ) and env.why_no_traces(os.environ) is None
        prepare_for_any_call(traced=traced)
        bot = None
        if env.preloads(os.environ):
            path = find_bot_file(os.environ)
            files.watch(str(path.parent / ".env"))
            bot = load_bot_file(path)
            output.keep_logging()
        import_what_was_put_off()
        settle_memory()
        return Preloaded(bot)

    return BotForker(control).serve(prepare)


async def _exit_after(holding: Awaitable[CallEnding], process_exit: ProcessExit) -> NoReturn:
    """Hold the call, and exit from within the loop, without waiting for what libraries still run there."""
    try:
        ending = await holding
    except BotError as error:
        logger.error("call not begun", problem=error.message)
        ending = CallEnding.of(error)
    except Exception as error:  # noqa: BLE001 - the one place that turns a bug into a reason
        logger.opt(exception=error).error("call crashed")
        ending = CallEnding.of_bug(error)
    process_exit.now(ending)


async def _wait_and_hold_call(process: _Process, waiting: WaitingSettings) -> CallEnding:
    """Do what can be done before there is a call, wait for one, and hold it as any bot does."""
    process.outbox.contract = waiting.contract
    if process.preloaded is not None:
        bot = process.preloaded.bot
    else:
        prepare_for_any_call(traced=waiting.traced)
        bot = await process.load_bot() if waiting.preloads else None
        import_what_was_put_off()
    settle_memory()
    # The bot's file may have set handlers of its own.
    process.exit.on_early_signal(signal.SIGTERM, signal.SIGINT)
    assigned = await wait_for_call(waiting.channel, process.outbox)
    if isinstance(assigned, CallEnding):
        return assigned
    take_variables(os.environ, assigned.environment)
    process.output.read_again()
    return await _hold_call(process, read_settings(os.environ), bot)


async def _hold_call(
    process: _Process, settings: RunnerSettings, loaded: BotFile | None = None
) -> CallEnding:
    outbox, process_exit = process.outbox, process.exit
    outbox.contract = settings.contract
    hold_call = import_session()
    if process.around is not None:
        hold_call = process.around(hold_call)
    limits = CallLimits(
        settings.no_caller_seconds, settings.return_grace_seconds, settings.max_duration_seconds
    )
    attendance = Attendance(outbox, limits)

    def terminate() -> None:
        attendance.terminate()
        process_exit.by_force(attendance.ending.result(), settings.grace_seconds - FORCED_EXIT_SECONDS)

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, terminate)

    take_signals()

    def prepare_exit(decided: asyncio.Future[CallEnding]) -> None:
        if not decided.cancelled():
            process_exit.prepare(decided.result(), settings.grace_seconds)

    def give_up(blocked: Blocked) -> None:
        # An ending that is decided has its own watchdog.
        if not attendance.ending.done():
            process_exit.now(_ending_of_blocked(blocked, process.bot_file.parent))

    async def load_bot() -> BotFile:
        bot = loaded or await process.load_bot()
        take_signals()
        return bot

    attendance.ending.add_done_callback(prepare_exit)
    async with watched_loop(give_up), _traces(traced=settings.traced) as traces:
        return await hold_call(load_bot, settings, outbox, attendance, take_signals, traces)


def _ending_of_blocked(blocked: Blocked, directory: Path) -> CallEnding:
    """Log what blocks the event loop, unless that is the log, and return the ending that names it."""
    from podline.runner.health.verdicts import ending_of_block  # noqa: PLC0415 - imports Pipecat

    def log() -> None:
        logger.error("the event loop is blocked", through=blocked.through)

    logging = threading.Thread(target=log, daemon=True)
    logging.start()
    logging.join(LOG_SECONDS)
    return ending_of_block(blocked.objects, blocked.line_below(directory))


def _traces(*, traced: bool) -> AbstractAsyncContextManager["Traces | None"]:
    """Return a context with the call's traces, or with None if they are not wanted or can't be sent."""
    if traced:
        try:
            # OpenTelemetry's SDK is loaded only for those who want traces, and an image may lack it.
            from podline.runner.observers.spans import traces  # noqa: PLC0415

            return traces(os.environ)
        except (ConfigInvalid, ValueError) as error:
            logger.warning("traces can't be sent", problem=str(error))
    elif env.traces_are_wanted(os.environ):
        logger.warning("traces can't be sent", problem=env.why_no_traces(os.environ))
    return nullcontext()


if __name__ == "__main__":
    main()
