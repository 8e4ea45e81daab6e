"""Whether the bot is speaking, for code that waits for the start or the end of a sentence."""

import asyncio

from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed


class VoiceObserver(BaseObserver):
    """Sets exactly one of two events at any time."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self.speaking = asyncio.Event()
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, BotStartedSpeakingFrame):
            self.quiet.clear()
            self.speaking.set()
        elif isinstance(data.frame, BotStoppedSpeakingFrame):
            self.speaking.clear()
            self.quiet.set()
