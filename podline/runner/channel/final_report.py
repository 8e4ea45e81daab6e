"""The bot's final report, written to a file in case the controller can't be reached."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Final, Literal

from loguru import logger

from podline.contract.arithmetic import OTHER, added
from podline.contract.encoding import encode
from podline.contract.messages import MAX_LAST_WORD_BYTES, FinalReport
from podline.contract.reasons import Reason
from podline.contract.usage import ModelUsage, ToolCalls, Usage
from podline.runner.channel.outbox import Outbox

MAX_MESSAGE_BYTES: Final = 600


def final_report(
    outbox: Outbox, reason: Reason | Literal["terminated", "running"], message: str, *, is_final: bool = True
) -> FinalReport:
    """Return how the call ended and all that it used, in less than `MAX_LAST_WORD_BYTES` of JSON.

    If that is too much, first the tools are merged under `other`, then the services are left out, then the
    models are merged too, in both totals alike, so that their difference stays correct.
    """
    totals, acked = outbox.totals, outbox.acked_totals
    few_tools = (_one_tool(totals), _one_tool(acked))
    candidates = (
        (totals, acked),
        few_tools,
        tuple(replace(each, services={}) for each in few_tools),
        tuple(_one_model(each) for each in few_tools),
    )
    reports = (
        FinalReport(
            reason=str(reason),
            message=_cut(message),
            totals=totals,
            acked_totals=acked,
            timeline=outbox.timeline,
            acked=outbox.acked,
            is_final=is_final,
            contract=outbox.contract,
        )
        for totals, acked in candidates
    )
    return next(each for each in reports if len(encode(each)) < MAX_LAST_WORD_BYTES)


class FinalReportFile:
    """The file of the final report, rewritten so that it is complete whenever the bot is killed.

    It is written in place: /dev/termination-log is a mount, over which no other file can be renamed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # The event loop and the watchdog for a hanging bot may write at once. Re-entrant, because a signal
        # handler can interrupt its own thread in the middle of a write.
        self._writing = threading.RLock()
        self._has_final = False

    def write(self, report: FinalReport) -> None:
        """Replace the report in the file, unless that one is final and this one is not.

        A failure is only logged.
        """
        with self._writing:
            if report.is_final or not self._has_final:
                self._has_final = report.is_final
                self._write(encode(report))

    def _write(self, text: bytes) -> None:
        try:
            with open(self._path, "wb", buffering=0, opener=_open) as file:
                # Blanks overwrite a longer report until the file is truncated. Truncating first would leave
                # it empty for a moment.
                size = os.fstat(file.fileno()).st_size
                file.write(text.ljust(size))
                if size > len(text):
                    file.truncate(len(text))
        except OSError as error:
            logger.error("final report not written", path=str(self._path), error=error.strerror)


def _open(path: str, _flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)


def _one_tool(usage: Usage) -> Usage:
    calls = usage.tool_calls.values()
    one = ToolCalls(ok=sum(call.ok for call in calls), error=sum(call.error for call in calls))
    return replace(usage, tool_calls={OTHER: one})


def _one_model(usage: Usage) -> Usage:
    one = reduce(added, usage.models.values(), ModelUsage())
    return replace(usage, models={OTHER: one}, services={})


def _cut(message: str) -> str:
    """Return one line, short enough even if JSON doubles it."""
    line = "".join(char if char.isprintable() else " " for char in message)
    return line.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore")
