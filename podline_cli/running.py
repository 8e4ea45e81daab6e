"""A command's run to its exit code: one sentence for an error, one line for Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, NoReturn

from podline.machine_errors import explain_error
from podline_cli.errors import CommandError

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """The first signal that asked this process to end. Later ones are ignored while it cleans up."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def listen(self) -> None:
        """Turn signals into one KeyboardInterrupt. scripts/lib.sh starts us with the signals blocked."""
        for number in STOPPING:
            signal.signal(number, self._receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise KeyboardInterrupt from None
        # Raised amid a task, it would end that task alone.
        loop.call_soon_threadsafe(_cancel_tasks, loop)


def _cancel_tasks(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def run_to_exit(command: Callable[[], object]) -> NoReturn:
    """Run a command, such as a Typer app, and exit.

    The exit code is 0, the command's own, 1 after one sentence about an error, or 128 and the signal's number
    after one line about it.
    """
    interruption = Interruption()
    code: int | str | None = 0
    try:
        interruption.listen()
        command()
    except (KeyboardInterrupt, asyncio.CancelledError):
        if interruption.signal is None:
            raise
    except SystemExit as end:
        code = end.code
    except CommandError as error:
        if interruption.signal is None:
            _report(error)
        code = error.code
    except Exception as error:
        if interruption.signal is None:
            sentence = explain_error(error) or _about_a_file(error)
            if sentence is None:
                raise
            _write(sentence)
        code = 1
    if interruption.signal is not None:
        _write("Interrupted." if interruption.signal == signal.SIGINT else "Ended by a signal.")
        code = 128 + interruption.signal
    sys.exit(code)


def _about_a_file(error: Exception) -> str | None:
    """Return in a sentence which file can't be used and why, if that is the error."""
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return None
    return f"{error.filename} can't be used: {error.strerror}."


def _report(error: CommandError) -> None:
    if error.details:
        _write(error.details)
    _write(str(error))


def _write(text: str) -> None:
    # A terminal has shown ^C at the beginning of the line.
    beginning = "\r\x1b[K" if sys.stderr.isatty() else ""
    with suppress(BrokenPipeError):
        sys.stderr.write(f"{beginning}{text}\n")
        sys.stderr.flush()
