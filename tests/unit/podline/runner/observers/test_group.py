"""Observers in a group see what each would see alone."""

import pytest
from pipecat.frames.frames import BotStartedSpeakingFrame, Frame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import run_test

from podline.runner.observers.group import ObserverGroup


class Watcher(BaseObserver):
    """Keeps the frames it is shown, and what else happened to it."""

    def __init__(self, *, observe_every_push: bool = False) -> None:
        super().__init__(observe_every_push=observe_every_push)
        self.frames: list[Frame] = []
        self.happened: list[str] = []

    async def on_pipeline_started(self) -> None:
        self.happened.append("started")

    async def on_push_frame(self, data: FramePushed) -> None:
        self.frames.append(data.frame)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]  # Pipecat's own
        self.happened.append("cleaned up")


async def test_each_sees_each_frame_once_and_the_beginning_and_the_end() -> None:
    alone, one, other = Watcher(), Watcher(), Watcher()

    await run_test(
        IdentityFilter(),
        frames_to_send=[BotStartedSpeakingFrame()],
        observers=[alone, ObserverGroup([one, other])],
    )

    assert any(isinstance(frame, BotStartedSpeakingFrame) for frame in alone.frames)
    assert one.frames == other.frames == alone.frames
    assert one.happened == other.happened == ["started", "cleaned up"]


def test_an_observer_that_wants_more_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be in a group"):
        ObserverGroup([Watcher(observe_every_push=True)])
