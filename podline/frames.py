"""Frames by which a bot's processors report to the runner, whatever Pipecat pipeline they are in."""

from dataclasses import dataclass

from pipecat.frames.frames import SystemFrame

from podline.contract.messages import AnswerRequested, ModelReconnected, ModelReseeded, TurnUnanswered

ModelEvent = TurnUnanswered | AnswerRequested | ModelReconnected | ModelReseeded


@dataclass
class ModelEventFrame(SystemFrame):
    """What a model service did about an answer that was owed. The runner records the event.

    A service pushes it downstream as soon as it happens; a system frame passes others and no interruption
    discards it.
    """

    event: ModelEvent
