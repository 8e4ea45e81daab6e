"""The ending that a processor's failure means for the call.

The rule:

- An exception that nobody catches ends the call, in a processor's handling of a frame, in its setup or in one
  of its tasks. Pipecat would go on without what has just failed, and the bot would be mute or deaf.
- An error that a processor catches and reports is its own affair: the call goes on, unless the processor says
  that it is no longer usable (`is_usable`).
- Exceptions in tools and refused messages of a caller's client end nothing: Pipecat answers the model, or the
  client. An exception in an event handler is logged, and its caller works on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipecat.frames.frames import ErrorFrame
from pipecat.processors import frame_processor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport

from podline.contract.reasons import Reason
from podline.errors import BotError
from podline.runner.ending import CallEnding

_MAX_CHARACTERS: Final = 80
_REFUSED: Final = (400, 401, 403, 404, 1007, 1008)
"""The codes of HTTP and WebSocket by which services' clients say that a key, a model or a setup is wrong."""


def ending_after(frame: ErrorFrame) -> CallEnding | None:
    """Return the ending that a reported error demands, or None if the call goes on."""
    error, processor = frame.exception, frame.processor
    if isinstance(error, BotError):
        return CallEnding.of(error)
    if isinstance(error, MemoryError):
        return CallEnding.of_bug(error)
    if error is not None and _is_uncaught(error):
        return CallEnding.of_bug(error) if processor is None else ending_of_crash(processor, error)
    if processor is not None and not processor.is_usable:
        refused = frame.category is not None and frame.category.is_permanent
        return ending_of(processor, "reported that it can no longer work", refused=refused)
    return None


def ending_of_crash(processor: FrameProcessor, error: BaseException, task: str | None = None) -> CallEnding:
    """Return the ending for an exception that nobody caught, perhaps in one of the processor's tasks."""
    if isinstance(error, BotError):
        return CallEnding.of(error)
    if isinstance(error, MemoryError):
        return CallEnding.of_bug(error)
    where = "" if task is None else f" in its task {_brief(task)}"
    refused = getattr(error, "code", None) in _REFUSED
    return ending_of(processor, f"crashed with {type(error).__name__}{where}", refused=refused)


def ending_of(processor: FrameProcessor, what: str, *, refused: bool = False) -> CallEnding:
    """Return the ending for a processor that can no longer work.

    Args:
        processor: The processor.
        what: What happened to it, as the end of a sentence about it.
        refused: True if its service rejects it: trying again doesn't help.
    """
    reason = _reason(processor, refused=refused)
    return CallEnding(reason, f"The processor {name_of(processor)} {what}; see the bot's log.")


def ending_of_block(objects: Iterable[object], line: str | None = None) -> CallEnding:
    """Return the ending for an event loop that code blocks, in the methods of these objects.

    Args:
        objects: Innermost first.
        line: The bot's own line that blocks it, if it is one.
    """
    where = "" if line is None else f" in {line}"
    what = f"blocks the whole bot{where}: it waits or computes without yielding"
    processor = next((each for each in objects if isinstance(each, FrameProcessor)), None)
    if processor is not None:
        return ending_of(processor, what)
    return CallEnding(Reason.CRASHED, f"Some code {what}; see the bot's log.")


def name_of(processor: FrameProcessor) -> str:
    """Return the processor's name for a person, with its class if the name doesn't begin with it."""
    kind = type(processor).__name__
    name = processor.name if processor.name.startswith(kind) else f"{processor.name} (a {kind})"
    return _brief(name)


def is_transport(processor: FrameProcessor) -> bool:
    """Return whether the processor is one of the room's two ends of the pipeline."""
    return isinstance(processor, BaseInputTransport | BaseOutputTransport)


def _reason(processor: FrameProcessor, *, refused: bool) -> Reason:
    if is_transport(processor):
        return Reason.ROOM_LOST
    if isinstance(processor, LLMService):
        return Reason.MODEL_REFUSED if refused else Reason.MODEL_LOST
    return Reason.CRASHED


def _is_uncaught(error: BaseException) -> bool:
    """Return whether the error came all the way up to Pipecat's own handler.

    An exception's traceback begins where it was caught.
    """
    trace = error.__traceback__
    return trace is not None and trace.tb_frame.f_code.co_filename == frame_processor.__file__


def _brief(name: str) -> str:
    return " ".join(name.split())[:_MAX_CHARACTERS]
