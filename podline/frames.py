"""Frames with which a bot's parts report to the runner and to the model, in any Pipecat pipeline."""

from dataclasses import dataclass, field
from typing import Self

from pipecat.frames.frames import LLMMessagesAppendFrame, SystemFrame

from podline.contract.messages import AnswerRequested, ModelReconnected, ModelReseeded, TurnUnanswered

ModelEvent = TurnUnanswered | AnswerRequested | ModelReconnected | ModelReseeded


@dataclass
class ModelEventFrame(SystemFrame):
    """What a model service did about an answer that was owed. The runner records the event.

    A service pushes it downstream as soon as it happens; a system frame passes others and no interruption
    discards it.
    """

    event: ModelEvent


@dataclass
class ModelNoteFrame(LLMMessagesAppendFrame):
    """Something that the model should know when it next speaks, and that needs no answer by itself.

    Queue it to the model's service (`await params.llm.queue_frame(...)` in a tool): from the beginning of the
    pipeline it would be taken for typed text.
    """

    interruptible: bool = field(default=False, init=False)

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(messages=[{"role": "developer", "content": text}], run_llm=False)
