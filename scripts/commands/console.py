"""What a command shows: steps with their time, one sentence for an error, one line for Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from podline.machine_errors import explain_error

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEARTBEAT_SECONDS: Final = 30.0
"""Between two lines about the same step where nobody sees a clock run."""

WORTH_A_LINE_SECONDS: Final = 2.0


class CommandError(Exception):
    """A command can't go on. The text is the one sentence that is shown: what happened, and what to do.

    Attributes:
        details: lines to print before the sentence, such as the end of what a program said.
        code: the exit code.
    """

    def __init__(self, sentence: str, *, details: str = "", code: int = 1) -> None:
        super().__init__(sentence)
        self.details = details.strip()
        self.code = code


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


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run a command, such as a Typer app, and exit.

    The exit code is 0, the command's own, 1 after one sentence about an error, or 128 and the signal's number
    after one line about it.
    """
    interruption = Interruption()
    code: int | str | None = 0
    try:
        interruption.listen()
        _call(command)
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
            sentence = explain_error(error)
            if sentence is None:
                raise
            _write(sentence)
        code = 1
    if interruption.signal is not None:
        _write("Interrupted." if interruption.signal == signal.SIGINT else "Ended by a signal.")
        code = 128 + interruption.signal
    sys.exit(code)


def _call(command: Callable[[], object]) -> None:
    if isinstance(command, typer.Typer):
        # Help and errors name what people type, not "python -m scripts.commands.kind_up".
        command(prog_name=f"scripts/{Path(sys.argv[0]).stem.replace('_', '-')}")
    else:
        command()


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


class StepUnderWay:
    """A step under way. `detail` says how far it is, such as "3 of 7"; it may be called from any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = time.monotonic()
        self.detail_text = ""
        self._show: Callable[[str], None] = lambda _: None

    def detail(self, text: str) -> None:
        if text != self.detail_text:
            self.detail_text = text
            self._show(text)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


@contextmanager
def step(name: str) -> Iterator[StepUnderWay]:
    """Show that something is being done, for how long, and when it is done.

    A terminal shows a clock; elsewhere there is a line at the beginning, one every half minute, and one
    at the end. `name` is like "Building the bot's image".
    """
    console = Console(stderr=True, highlight=False)
    under_way = StepUnderWay(name)
    with _on_terminal(console, under_way) if is_live(console) else _in_lines(console, under_way):
        yield under_way
    if is_live(console) or under_way.seconds >= WORTH_A_LINE_SECONDS:
        console.print(f"{name}: {under_way.seconds:.0f} s", markup=False, soft_wrap=True)


def is_live(console: Console) -> bool:
    """Whether a clock can be shown to run."""
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def _on_terminal(console: Console, under_way: StepUnderWay) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task: TaskID = progress.add_task(under_way.name, total=None)
        under_way._show = lambda text: progress.update(task, description=f"{under_way.name} ({text})")  # noqa: SLF001
        yield


@contextmanager
def _in_lines(console: Console, under_way: StepUnderWay) -> Iterator[None]:
    console.print(f"{under_way.name} ...", markup=False, soft_wrap=True)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            detail = f", {under_way.detail_text}" if under_way.detail_text else ""
            console.print(f"{under_way.name}: {under_way.seconds:.0f} s so far{detail} ...", markup=False)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
