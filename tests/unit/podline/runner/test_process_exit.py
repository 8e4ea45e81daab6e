"""The end of a bot's process, whatever the bot has done to it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from podline.contract.reasons import EXIT_CODES, Reason

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
