"""Frames by which a bot's parts notify the runner and the model, in any Pipecat pipeline."""

from dataclasses import dataclass, field
from typing import Self

from pipecat.frames.frames import LLMMessagesAppendFrame, SystemFrame

from podline.contract.messages import AnswerRequested, ModelReconnected, ModelReseeded, TurnUnanswered

ModelEvent = TurnUnanswered | AnswerRequested | ModelReconnected | ModelReseeded


@dataclass
class ModelEventFrame(SystemFrame):
    """What a model service did about an answer that was owed. The runner records the event.

    A service pushes it downstream at once. As a system frame it overtakes others, and no interruption
    discards it.
    """

    event: ModelEvent


@dataclass
class ModelNoteFrame(LLMMessagesAppendFrame):
    """Something that the model should know when it next speaks, and that needs no answer by itself.

    Queue it to the model's service (`await params.llm.queue_frame(...)` in a tool). From the beginning of the
    pipeline it would pass for typed text.
    """

    interruptible: bool = field(default=False, init=False)

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(messages=[{"role": "developer", "content": text}], run_llm=False)
