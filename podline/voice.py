"""Detection of the caller's voice: quiet and short words begin a turn, noise and the bot's echo don't."""

from typing import Final

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

START_SECONDS: Final = 0.13
"""Four of Silero's windows of 32 ms; Pipecat's 0.2 is six, longer than the voiced part of "two"."""
MIN_VOLUME: Final = 0.63
"""On Pipecat's scale, -47 LUFS. The bot's echo, 30 dB below a caller at -20 dBFS, reaches 0.62.

Silero alone keeps noise out (tests/unit/podline/test_voice.py). This limit keeps out other people's speech.
"""
CONFIDENCE: Final = 0.7
"""Pipecat's. White and pink noise at -30 dBFS, breathing and keys reach 0.25; 0.6 hears no more words."""

STOP_SECONDS: Final = 0.5
"""The silence that ends a turn. Callers wait for it before each answer."""


class CallerVoice(SileroVADAnalyzer):
    """Silero's analyzer, with a volume that isn't smoothed.

    Pipecat smooths the volume of the last 0.4 s a second time, over about six windows. After silence it
    passes the limit 0.2 to 0.4 s late, when a short or quiet word is over: of ten tries (five voices, two
    noises), three are missed with "two" at full level, and seven at 18 dB below. Without smoothing, all are
    heard down to 22 dB below, after 0.13 to 0.26 s instead of 0.36 to 0.58.
    """

    def __init__(self, stop_secs: float = STOP_SECONDS) -> None:
        """Analyze the caller's voice. `stop_secs` is the silence that ends a turn, in seconds."""
        super().__init__(
            params=VADParams(
                confidence=CONFIDENCE, start_secs=START_SECONDS, stop_secs=stop_secs, min_volume=MIN_VOLUME
            )
        )
        self._smoothing_factor = 1.0


def turns_by_voice(stop_secs: float = STOP_SECONDS) -> LLMUserAggregatorParams:
    """Return the parameters of a bot that ends turns by the caller's voice alone, `stop_secs` after it.

    They are for a realtime model: it hears the audio itself, so no transcript is needed.
    """
    return LLMUserAggregatorParams(
        vad_analyzer=CallerVoice(stop_secs),
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
        ),
    )
