"""What a bot that is wrong looks like, and what its author reads: a row of docs/reference/broken-bots.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from podline.contract.reasons import Reason

HERE: Final = "# here"
"""Marks the line of a bot's file that the sentence has to name."""

Ending = Literal["itself", "hangs up", "stopped"]

_PIPELINE: Final = """\
import asyncio
import os

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
{top}
PARAMS = {{
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
}}


async def bot(runner_args: RunnerArguments):
    transport = await create_transport(runner_args, PARAMS)
    worker = PipelineWorker(Pipeline([transport.input(), {processor}transport.output()]))

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport, client):
        {connected}

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    {run}
"""


@dataclass(frozen=True)
class BrokenBot:
    """A bot, how its call ends, and what is on record of that.

    Attributes:
        name: The agent's name.
        situation: The row's first cell.
        source: The bot's file.
        reason: The session's reason.
        sentence: The record's message; `{line}` stands for the line that is marked in the source.
        ends: `itself`, or because the caller hangs up, or because the session is stopped.
        is_called: True if a caller has to join before it goes wrong: over WebRTC `bot()` is called then.
        files: Other files of the project, by name.
        limits: What its `podline.toml` says.
    """

    name: str
    situation: str
    source: str
    reason: Reason
    sentence: str
    ends: Ending = "itself"
    is_called: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The sentence, with the number of the line that it names."""
        return self.sentence.replace("{line}", str(self.line)) if "{line}" in self.sentence else self.sentence

    @property
    def line(self) -> int:
        """The number of the marked line, in whichever file has the mark."""
        [found] = [
            number
            for text in (self.source, *self.files.values())
            for number, line in enumerate(text.splitlines(), 1)
            if line.endswith(HERE)
        ]
        return found

    def write(self, agents: Path) -> Path:
        """Write the project as an agent's directory among these, and return it."""
        directory = agents / self.name
        directory.mkdir()
        (directory / "bot.py").write_text(self.source)
        (directory / "pcc-deploy.toml").write_text(f'agent_name = "{self.name}"\n')
        limits = {"mute_seconds": 0.0, **self.limits}
        (directory / "podline.toml").write_text(
            "".join(f"{key} = {value}\n" for key, value in limits.items())
        )
        for name, text in self.files.items():
            (directory / name).write_text(text)
        return directory


def pipeline_bot(
    *,
    top: str = "",
    processor: str = "",
    connected: str = "pass",
    run: str = "await runner.run()",
) -> str:
    """Return a bot that runs a pipeline without a model, with these lines in it.

    Args:
        top: After the imports.
        processor: Elements of the pipeline between the transport's ends, each with a comma.
        connected: What is done when the caller has connected.
        run: How the pipeline is run.
    """
    return _PIPELINE.format(
        top=f"\n{top}\n" if top else "",
        processor=processor,
        connected=connected.replace("\n", "\n        "),
        run=run.replace("\n", "\n    "),
    )
