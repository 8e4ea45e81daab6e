"""A bot in Pipecat's own development runner, called as bots of a controller are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testing.processes import Program, answers, free_port


@dataclass(frozen=True)
class PipecatRunner:
    """A running one: `sandbox.caller.calling(url, ...)` calls its bot."""

    url: str
    program: Program


@contextmanager
def pipecat_runner(
    bot: Path | str, directory: Path, variables: Mapping[str, str], name: str = "pipecat-runner"
) -> Iterator[PipecatRunner]:
    """Run a bot as its README says, `bot.py -t webrtc`, until the block ends.

    Args:
        bot: The bot's file, with its `.env` beside it, or the name of a module.
        directory: Where the process' output goes.
        variables: Its environment, beside ours.
        name: Of the output's file.
    """
    port = free_port()
    run = ["-m", bot] if isinstance(bot, str) else [str(bot)]
    # PYTHONPATH: nothing of ours may be found there.
    program = Program.start(
        name,
        [sys.executable, *run, "-t", "webrtc", "--host", "127.0.0.1", "--port", str(port)],
        directory,
        {"PYTHONPATH": "", **variables},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until(lambda: answers(f"{url}/status"))
        yield PipecatRunner(url, program)
    finally:
        program.stop()
