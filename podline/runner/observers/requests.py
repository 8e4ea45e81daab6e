"""The requests for an answer that aren't speech: by the bot itself, for its greeting above all, or typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from pipecat.frames.frames import (
    Frame,
    InputTextRawFrame,
    LLMMessagesAppendFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    TTSSpeakFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frameworks.rtvi import RTVIProcessor

from podline.contract.messages import TurnEnded
from podline.runner.observers.measurements import RecordEvent

_REQUESTS: Final = (InputTextRawFrame, LLMRunFrame, TTSSpeakFrame)


class RequestObserver(BaseObserver):
    """Owes the caller an answer once the bot asks for one, and counts typed text as a turn."""

    def __init__(self, owe: Callable[[], Awaitable[None]], record: RecordEvent) -> None:
        super().__init__(observe_every_push=False)
        self._owe = owe
        self._record = record

    async def on_push_frame(self, data: FramePushed) -> None:
        frame = data.frame
        if isinstance(frame, LLMMessagesAppendFrame) and isinstance(data.source, RTVIProcessor):
            self._record(TurnEnded())
        if _asks_for_an_answer(frame):
            await self._owe()


def _asks_for_an_answer(frame: Frame) -> bool:
    if isinstance(frame, LLMMessagesAppendFrame | LLMMessagesUpdateFrame):
        return bool(frame.run_llm)
    return isinstance(frame, _REQUESTS)
