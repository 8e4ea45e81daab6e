"""How long neither side has spoken."""

from __future__ import annotations

import asyncio
from typing import Final

from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed

from podline.bucket import Clock

_ACTIVITY: Final = (
    BotSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    # Pipecat's own list ends here. It paces the frames of who is speaking by the wall clock, and sends none
    # for as long as that was set back.
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
)
"""Frames that show that a call is not idle."""


class IdleObserver(BaseObserver):
    """Remembers when something was last said."""

    def __init__(self, clock: Clock) -> None:
        """Take the event loop's clock."""
        super().__init__(observe_every_push=False)
        self._clock = clock
        self._active_at = clock()

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, _ACTIVITY):
            self._active_at = self._clock()

    async def idle_for(self, seconds: float) -> None:
        """Wait until nothing has been said for this long."""
        while (left := self._active_at + seconds - self._clock()) > 0:  # noqa: ASYNC110 - it is set too often
            await asyncio.sleep(left)
        self._active_at = self._clock()
