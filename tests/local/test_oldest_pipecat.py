"""What of Podline runs in an agent's own image runs with the oldest Pipecat that such an image may have."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from testing.builds.pipecats import OLDEST, ensure_pipecat

ROOT: Final = Path(__file__).parents[2]

IMPORT_ALL: Final = """
import importlib, pkgutil
import podline
names = [found.name for found in pkgutil.walk_packages(podline.__path__, "podline.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
import pipecat
print(len(names))
"""

OBSERVE: Final = """
import asyncio
from pipecat.frames.frames import BotStartedSpeakingFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from podline.runner.observers.group import ObserverGroup

class Watcher(BaseObserver):
    def __init__(self):
        super().__init__(observe_every_push=False)
        self.frames = 0
    async def on_push_frame(self, data):
        self.frames += 1

async def main():
    watcher = Watcher()
    group, one, other = ObserverGroup([watcher]), IdentityFilter(), IdentityFilter()
    for frame in (BotStartedSpeakingFrame(), BotStartedSpeakingFrame()):
        for source, destination in ((one, other), (other, one)):
            await group.on_push_frame(FramePushed(source, destination, frame, FrameDirection.DOWNSTREAM, 0))
    print(watcher.frames)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return ensure_pipecat(OLDEST)


def run(python: Path, *arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(  # noqa: S603 - our own
        [python, *arguments], capture_output=True, text=True, check=False, cwd="/", env=variables
    )


def test_every_module_of_podline_can_be_imported(python: Path) -> None:
    imported = run(python, "-c", IMPORT_ALL)

    assert imported.returncode == 0, imported.stderr
    assert int(imported.stdout) > 50


def test_an_observer_sees_each_frame_once(python: Path) -> None:
    """Before 1.12 Pipecat shows it every push."""
    observed = run(python, "-c", OBSERVE)

    assert observed.returncode == 0, observed.stderr
    assert observed.stdout.split() == ["2"]


def test_the_runner_names_what_it_lacks(python: Path) -> None:
    ran = run(python, "-m", "podline.runner")

    assert ran.returncode == 64, ran.stderr
    assert "SESSION_ID" in ran.stderr
