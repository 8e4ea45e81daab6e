"""Detection by Silero that runs its model for sound only notices what it notices with every window."""

import itertools
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.audio.vad_processor import VADProcessor

from podline.runner.voice_detection import KEPT_WINDOWS, detect_voice_when_audible
from podline.voice import CallerVoice
from sandbox.voice import Voice

Kind = TypeVar("Kind", bound=SileroVADAnalyzer)

RATE = 16_000
PIECE = RATE // 50
QUIET = 8.0
"""Of a microphone in a quiet room: about -72 dB of full scale."""
LOUD = 400.0
"""Of a street: louder than the volume at which Pipecat asks the model."""


class CountingSilero(SileroVADAnalyzer):
    """Keeps in which order its model has scored windows and was reset."""

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE, params=VADParams(stop_secs=0.2))
        self.set_sample_rate(RATE)
        self.happened: list[str] = []
        score, reset = self._model.session.run, self._model.reset_states

        def run(*given: object) -> object:
            self.happened.append("scored")
            return score(*given)

        def reset_states(*given: int) -> None:
            self.happened.append("reset")
            reset(*given)  # type: ignore[no-untyped-call]  # theirs has no annotation

        self._model.session = type("Session", (), {"run": staticmethod(run)})()
        self._model.reset_states = reset_states  # type: ignore[method-assign]  # as the runner does

    @property
    def scored(self) -> int:
        return self.happened.count("scored")


class AnyVoice:
    """A model that takes everything for a voice, so only volume decides."""

    def __call__(self, _window: object, _rate: int) -> npt.NDArray[np.float32]:
        return np.ones((1, 1), np.float32)

    def reset_states(self) -> None: ...


def credulous() -> SileroVADAnalyzer:
    analyzer = SileroVADAnalyzer(sample_rate=RATE)
    analyzer.set_sample_rate(RATE)
    analyzer._model = AnyVoice()  # type: ignore[assignment]  # what is used of a model
    return analyzer


class Loud(CountingSilero):
    """A bot's own, which decides in another way."""

    def voice_confidence(self, buffer: bytes) -> float:
        return 2 * super().voice_confidence(buffer)


def spoken(noise: float, seconds_of_silence: float) -> npt.NDArray[np.int16]:
    """Three utterances with silence before and after each, and noise all over it."""
    voice, random = Voice(), np.random.default_rng(7)
    silence = np.zeros(round(seconds_of_silence * RATE))
    parts: list[npt.NDArray[np.float64]] = [silence]
    for text in ("find running shoes", "yes", "tell me more about the second one, please"):
        parts += [voice.say(text, RATE).astype(np.float64), silence]
    audio = np.concatenate(parts)
    return (audio + random.normal(0, noise, len(audio))).clip(-32_768, 32_767).astype(np.int16)


def pieces(audio: npt.NDArray[np.int16]) -> Iterator[bytes]:
    for at in range(0, len(audio) - PIECE, PIECE):
        yield audio[at : at + PIECE].tobytes()


def changes(states: list[VADState]) -> list[tuple[VADState, int]]:
    """When somebody began and stopped to speak, in pieces of 20 ms."""
    settled = [state for state in states if state in (VADState.QUIET, VADState.SPEAKING)]
    at = [number for number, state in enumerate(states) if state in (VADState.QUIET, VADState.SPEAKING)]
    return [(now, at[i + 1]) for i, (was, now) in enumerate(itertools.pairwise(settled)) if was != now]


def spared(analyzer: Kind) -> Kind:
    """Attach to a worker that has it."""
    user, _ = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=analyzer)
    )
    detect_voice_when_audible(PipelineWorker(Pipeline([user])))
    return analyzer


@pytest.mark.parametrize(("noise", "most"), [(0.0, 0.75), (QUIET, 0.75), (LOUD, 1.0)])
@pytest.mark.parametrize("seconds_of_silence", [0.5, 3.0])
async def test_speech_begins_and_ends_when_it_does_for_pipecat(
    noise: float, most: float, seconds_of_silence: float
) -> None:
    audio = spoken(noise, seconds_of_silence)
    theirs, ours = CountingSilero(), spared(CountingSilero())

    expected = changes([await theirs.analyze_audio(piece) for piece in pieces(audio)])
    found = changes([await ours.analyze_audio(piece) for piece in pieces(audio)])

    assert len(expected) >= 4
    assert [state for state, _ in found] == [state for state, _ in expected]
    # A window of 32 ms, in pieces.
    assert all(abs(one[1] - other[1]) <= 2 for one, other in zip(found, expected, strict=True))
    if seconds_of_silence > 1:
        assert ours.scored <= most * theirs.scored


async def test_silence_costs_no_run_of_the_model() -> None:
    analyzer = spared(CountingSilero())

    for piece in pieces(spoken(QUIET, 1.0)[: RATE // 2]):
        await analyzer.analyze_audio(piece)

    assert analyzer.scored == 0


async def test_no_window_that_is_loud_enough_is_left_out() -> None:
    audio = spoken(QUIET, 1.0)
    theirs, ours = credulous(), spared(credulous())

    for piece in pieces(audio):
        assert await ours.analyze_audio(piece) is await theirs.analyze_audio(piece)


async def test_after_a_long_silence_the_model_begins_anew_with_the_second_before_the_sound() -> None:
    analyzer = spared(CountingSilero())
    audio = spoken(QUIET, 3.0)
    for piece in pieces(audio):
        await analyzer.analyze_audio(piece)

    analyzer.happened.clear()
    for piece in pieces(audio):
        await analyzer.analyze_audio(piece)
        if analyzer.happened:
            break

    # The second reset is the model's own, which it makes when it hears the first window after one.
    assert analyzer.happened[:3] == ["reset", "reset", "scored"]
    assert analyzer.scored == KEPT_WINDOWS


async def test_a_bots_own_class_stays_as_it_is() -> None:
    analyzer = Loud()
    detect_voice_when_audible(PipelineWorker(Pipeline([VADProcessor(vad_analyzer=analyzer)])))

    for piece in pieces(np.zeros(RATE // 2, np.int16)):
        await analyzer.analyze_audio(piece)

    assert analyzer.scored > 10


async def test_the_assistants_voice_detection_is_spared_too() -> None:
    analyzer = CallerVoice()
    analyzer.set_sample_rate(RATE)
    analyzer._model = AnyVoice()  # type: ignore[assignment]  # what is used of a model
    spared(analyzer)

    states = [await analyzer.analyze_audio(piece) for piece in pieces(spoken(QUIET, 1.0))]

    assert "voice_confidence" in vars(analyzer)
    assert VADState.SPEAKING in states
    assert states[0] is states[-1] is VADState.QUIET
