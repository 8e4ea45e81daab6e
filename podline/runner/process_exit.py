"""The end of a bot's process: its final report, its exit code, and the watchdogs that force an exit."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from podline.contract.reasons import EXIT_CODES, RUNNING, TERMINATED, Reason
from podline.runner.channel.final_report import FinalReportFile, final_report
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import UNHURRIED_SECONDS, CallEnding

FORCED_EXIT_SECONDS: Final = 0.3
"""How long before the end of the grace period a bot that hangs while ending is forced to exit."""
QUICK_EXIT_SECONDS: Final = 10.0
"""The same for a call without a goodbye: cancelling Pipecat during a join was seen to take 13 s."""


def _own_message(ending: CallEnding) -> str:
    return ending.message


class ProcessExit:
    """Ends this process, with its final report written."""

    def __init__(
        self, outbox: Outbox, final_report_file: str, message_of: Callable[[CallEnding], str] = _own_message
    ) -> None:
        """Take what the final report needs.

        Args:
            outbox: The call's bookkeeping.
            final_report_file: The path of the report's file; empty for none.
            message_of: Returns the message of an ending.
        """
        self._outbox = outbox
        self._message_of = message_of
        self._file = FinalReportFile(Path(final_report_file)) if final_report_file else None
        # A controller that never heard of a bot learns only from the file what the bot has used.
        outbox.on_acknowledged = self._write_running

    def on_early_signal(self, *numbers: signal.Signals) -> None:
        """Exit on these signals at once. As PID 1, a process without a handler would not end at all."""

        def exit_early(_number: int, _frame: object) -> None:
            self.now(CallEnding(TERMINATED, "A signal stopped the bot before it had joined."))

        for number in numbers:
            signal.signal(number, exit_early)

    def prepare(self, ending: CallEnding, grace_seconds: float) -> None:
        """Write the report of a decided ending, and exit by force if the call takes too long to close."""
        if ending.reason is Reason.OUT_OF_MEMORY:
            # An orderly close takes memory.
            self.now(ending)
        self._write(ending, is_final=False)
        # What is acknowledged from now on must count as such, even if the bot is killed before its exit.
        self._outbox.on_acknowledged = lambda: self._write(ending, is_final=False)
        longest = grace_seconds - FORCED_EXIT_SECONDS if ending.is_ordered else UNHURRIED_SECONDS
        self.by_force(ending, min(longest, QUICK_EXIT_SECONDS) if ending.goodbye == "none" else longest)

    def by_force(self, ending: CallEnding, seconds: float) -> None:
        """Exit from a thread after this long, whatever the event loop is stuck in."""
        watchdog = threading.Timer(max(seconds, 0.0), self.now, [ending])
        watchdog.daemon = True
        watchdog.start()

    def now(self, ending: CallEnding) -> NoReturn:
        """Exit without the interpreter's shutdown, in which native media libraries were seen to abort."""
        try:
            self._write(ending, is_final=True)
        finally:
            for stream in (sys.stdout, sys.stderr):
                # A bot may have closed or replaced them, and their disk may be full.
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(0 if ending.reason == TERMINATED else EXIT_CODES[Reason(ending.reason)])

    def _write_running(self) -> None:
        if self._file is not None:
            self._file.write(final_report(self._outbox, RUNNING, "", is_final=False))

    def _write(self, ending: CallEnding, *, is_final: bool) -> None:
        if self._file is not None:
            message = self._message_of(ending)
            self._file.write(final_report(self._outbox, ending.reason, message, is_final=is_final))
