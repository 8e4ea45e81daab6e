"""What the model's service did about answers that were owed, for the controller and the bot's log."""

from collections.abc import Callable

from loguru import logger
from pipecat.observers.base_observer import BaseObserver, FramePushed

from podline.contract.messages import AnswerRequested, ModelReconnected, ModelReseeded, TurnUnanswered
from podline.frames import ModelEvent, ModelEventFrame


class ModelEventObserver(BaseObserver):
    """Records and logs the event of each `ModelEventFrame`."""

    def __init__(self, record: Callable[[ModelEvent], None]) -> None:
        super().__init__(observe_every_push=False)
        self._record = record

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, ModelEventFrame):
            self._record(data.frame.event)
            log_model_event(data.frame.event)


def log_model_event(event: ModelEvent) -> None:
    """Write one line, so that a call's log says when a turn went unanswered and what the bot did about it."""
    match event:
        case TurnUnanswered(cause=cause):
            logger.warning("turn unanswered", cause=cause)
        case AnswerRequested():
            logger.info("answer requested again")
        case ModelReconnected(resumed=resumed):
            logger.warning("model reconnected", resumed=resumed)
        case ModelReseeded():
            logger.info("conversation given to the model again")
