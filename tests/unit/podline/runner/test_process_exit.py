"""The end of a bot's process, whatever the bot has done to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.runtimes.final_report import decode_final_report
from podline.contract.messages import TurnEnded
from podline.contract.reasons import EXIT_CODES, RUNNING, Reason
from podline.contract.usage import Usage
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.process_exit import ProcessExit

EXIT = """
import sys
from podline.contract.reasons import Reason
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.process_exit import ProcessExit
%s
ProcessExit(Outbox(lambda: 1.0), "").now(CallEnding(Reason.ROOM_LOST, "The room was lost."))
"""


@pytest.mark.parametrize(
    "code",
    [
        "",
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stderr = open('/dev/full', 'w'); print('x', file=sys.stderr)",
    ],
)
def test_a_process_exits_with_its_reason_although_its_streams_are_gone(code: str) -> None:
    ended = subprocess.run([sys.executable, "-c", EXIT % code], check=False, timeout=60)  # noqa: S603

    assert ended.returncode == EXIT_CODES[Reason.ROOM_LOST]


def outbox_that_used(turns: int) -> Outbox:
    outbox = Outbox(lambda: 1.0)
    for _ in range(turns):
        outbox.record(TurnEnded())
    return outbox


def test_a_bot_that_is_killed_leaves_what_it_had_used_at_its_last_acknowledgement(tmp_path: Path) -> None:
    outbox = outbox_that_used(turns=2)
    ProcessExit(outbox, str(tmp_path / "word"))
    outbox.acknowledge(outbox.report().seq)

    report = decode_final_report((tmp_path / "word").read_bytes())

    assert report is not None
    assert (report.reason, report.is_final) == (RUNNING, False)
    assert report.totals == report.acked_totals == Usage(turns=2)


def test_a_bot_of_which_nothing_was_acknowledged_leaves_no_report(tmp_path: Path) -> None:
    """Its container's log is shown instead."""
    ProcessExit(outbox_that_used(turns=2), str(tmp_path / "word"))

    assert not (tmp_path / "word").exists()


def test_a_decided_end_is_not_forgotten_at_the_next_acknowledgement(tmp_path: Path) -> None:
    outbox = outbox_that_used(turns=2)
    process_exit = ProcessExit(outbox, str(tmp_path / "word"))
    process_exit.prepare(CallEnding(Reason.STOPPED, "Enough.", goodbye="ask"), grace_seconds=1e6)
    outbox.acknowledge(outbox.report().seq)

    report = decode_final_report((tmp_path / "word").read_bytes())

    assert report is not None
    assert (report.reason, report.acked_totals) == (Reason.STOPPED, Usage(turns=2))
