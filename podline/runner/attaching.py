"""How Pipecat's setup hooks find the session that the bot runs in."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pipecat.pipeline.worker import PipelineWorker
    from pipecat.workers.runner import WorkerRunner

SETUP_FILES: Final = "PIPECAT_SETUP_FILES"
_HOOKS: Final = Path(__file__).with_name("setup_hooks.py")


class Attaching(Protocol):
    """What wants to know of a bot's workers."""

    def attach_runner(self, runner: WorkerRunner) -> None:
        """Take what runs the bot's workers."""

    async def attach_worker(self, worker: PipelineWorker) -> None:
        """Take a worker of the bot's, before its pipeline is set up."""


_current: Final[ContextVar[Attaching]] = ContextVar("podline_attaching")


def attaching() -> Attaching | None:
    """Return what the current task's bot is attached to; None outside of a session."""
    return _current.get(None)


def attach_to(session: Attaching, environment: MutableMapping[str, str]) -> None:
    """Attach this to the workers that the current task, and those that it starts, will make."""
    _current.set(session)
    files = environment.get(SETUP_FILES, "").split(os.pathsep)
    of_the_bot = [each for each in files if each not in ("", str(_HOOKS))]
    environment[SETUP_FILES] = os.pathsep.join([*of_the_bot, str(_HOOKS)])
