"""Frames that make a bot speak when only the runner knows that it should.

A frame can be used once, so each cue is a function that makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pipecat.frames.frames import Frame, InputTextRawFrame, LLMMessagesAppendFrame, TTSSpeakFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService

from podline.runner.settings import GoodbyeCue

GOODBYE_REQUEST: Final = "The call is about to end. Say a short goodbye in the language of this conversation."
GOODBYE_SENTENCE: Final = "Goodbye!"
REPETITION_REQUEST: Final = (
    "The caller lost the connection, has returned, and did not hear what you said last. "
    "Say it again, in the language of this conversation."
)
_SPEAKS: Final = ("TTSService",)
"""Known by its name: to import it costs a bot without one a tenth of a second."""
_HEARS_TEXT: Final = ("GeminiLiveLLMService", "UltravoxRealtimeLLMService")
"""Pipecat's services, with their subclasses, that take text for the caller's as it comes. Others read their
context."""


@dataclass(frozen=True)
class Cues:
    """What makes this bot speak; None where nothing can.

    Attributes:
        warning: Takes the seconds that are left.
        farewell: Asks for the goodbye.
        repetition: Asks for what a lost caller has missed.
    """

    warning: Callable[[float], Frame] | None = None
    farewell: Callable[[], Frame] | None = None
    repetition: Callable[[], Frame] | None = None


def cues_for(processors: Iterable[FrameProcessor], goodbye: GoodbyeCue | None) -> Cues:
    """Return the cues for a pipeline.

    A text-to-speech service speaks plain sentences, unless the bot's definition has a request for its model.
    A model that speaks itself is asked, in the language of the conversation.

    Args:
        processors: Those of the pipeline.
        goodbye: What the agent's definition says; None for the default.
    """
    each = list(processors)
    model = next((one for one in each if isinstance(one, LLMService)), None)
    speaks = any(_is_a(one, _SPEAKS) for one in each)
    return Cues(
        warning=_warning(model, speaks=speaks),
        farewell=_farewell(model, goodbye or GoodbyeCue(), speaks=speaks),
        repetition=None if model is None else lambda: _asked(model, REPETITION_REQUEST),
    )


def _warning(model: LLMService[Any] | None, *, speaks: bool) -> Callable[[float], Frame] | None:
    if speaks:
        return lambda seconds: TTSSpeakFrame(f"We have about {seconds:.0f} seconds left.")
    if model is None:
        return None
    return lambda seconds: _asked(
        model,
        "The call has a time limit. Tell the caller, in the language of this conversation: "
        f"“We have about {seconds:.0f} seconds left.”",
    )


def _farewell(
    model: LLMService[Any] | None, goodbye: GoodbyeCue, *, speaks: bool
) -> Callable[[], Frame] | None:
    if goodbye.is_none:
        return None
    if speaks and (goodbye.sentence or model is None or not goodbye.request):
        return lambda: TTSSpeakFrame(goodbye.sentence or GOODBYE_SENTENCE)
    if model is None:
        return None
    said = f"The call is about to end. Say these words and no others: “{goodbye.sentence}”"
    return lambda: _asked(model, goodbye.request or (said if goodbye.sentence else GOODBYE_REQUEST))


def _asked(model: LLMService[Any], request: str) -> Frame:
    """Return the frame that asks a model."""
    if _is_a(model, _HEARS_TEXT):
        return InputTextRawFrame(request)
    return LLMMessagesAppendFrame([{"role": "user", "content": request}], run_llm=True)


def _is_a(processor: FrameProcessor, names: Collection[str]) -> bool:
    return any(kind.__name__ in names for kind in type(processor).__mro__)
