"""How a bot is made to speak when only the runner knows that it should."""

from __future__ import annotations

from typing import Any

import pytest
from pipecat.adapters.llm.services.gemini_adapter import GeminiLLMAdapter
from pipecat.frames.frames import InputTextRawFrame, LLMMessagesAppendFrame, TTSSpeakFrame
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService

from podline.runner.cues import GOODBYE_REQUEST, GOODBYE_SENTENCE, cues_for
from podline.runner.settings import GoodbyeCue


class Model(LLMService[Any]):
    adapter_class = GeminiLLMAdapter


class GeminiLiveLLMService(Model):
    """Known by its name, as Pipecat's is."""


class TTSService(FrameProcessor):
    """Likewise."""


def farewell(*processors: FrameProcessor, goodbye: GoodbyeCue | None = None) -> object:
    """Return what the bot is asked for, or says, as its goodbye; None if it says none."""
    cue = cues_for(processors, goodbye).farewell
    match None if cue is None else cue():
        case InputTextRawFrame(text=text):
            return text
        case LLMMessagesAppendFrame(messages=[{"role": "user", "content": content}], run_llm=True):
            return ("context", content)
        case TTSSpeakFrame(text=text):
            return ("spoken", text)
        case _:
            return None


def test_a_realtime_model_is_asked_as_a_caller_would() -> None:
    assert farewell(GeminiLiveLLMService()) == GOODBYE_REQUEST


def test_any_other_model_is_asked_in_its_context() -> None:
    assert farewell(Model(), goodbye=GoodbyeCue(request="Say ciao.")) == ("context", "Say ciao.")


def test_a_bot_with_a_voice_of_its_own_speaks_a_sentence() -> None:
    assert farewell(Model(), TTSService()) == ("spoken", GOODBYE_SENTENCE)
    assert farewell(Model(), TTSService(), goodbye=GoodbyeCue(sentence="Ciao!")) == ("spoken", "Ciao!")


def test_a_bot_with_a_voice_of_its_own_asks_its_model_where_its_definition_says_so() -> None:
    goodbye = GoodbyeCue(request="Say ciao.")

    assert farewell(Model(), TTSService(), goodbye=goodbye) == ("context", "Say ciao.")
    assert farewell(TTSService(), goodbye=goodbye) == ("spoken", GOODBYE_SENTENCE)


def test_a_sentence_is_said_by_a_realtime_model_word_by_word() -> None:
    said = farewell(GeminiLiveLLMService(), goodbye=GoodbyeCue(sentence="Ciao!"))

    assert "these words and no others: “Ciao!”" in str(said)


@pytest.mark.parametrize("processors", [(GeminiLiveLLMService(),), (Model(), TTSService())])
def test_a_bot_whose_definition_wants_no_goodbye_says_none(processors: tuple[FrameProcessor, ...]) -> None:
    assert farewell(*processors, goodbye=GoodbyeCue(is_none=True)) is None


def test_a_bot_that_can_not_speak_is_asked_for_nothing() -> None:
    cues = cues_for([IdentityFilter()], None)

    assert (cues.warning, cues.farewell, cues.repetition) == (None, None, None)


def test_the_warning_says_how_much_time_is_left() -> None:
    for processors in ([TTSService()], [GeminiLiveLLMService()], [Model()]):
        warning = cues_for(processors, None).warning
        assert warning is not None
        assert "We have about 30 seconds left." in str(vars(warning(30.2)))
