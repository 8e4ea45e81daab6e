"""Detection of the caller's voice: quiet and short words begin a turn, noise and the bot's echo don't."""

from typing import Final

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams

START_SECONDS: Final = 0.13
"""Four of Silero's windows of 32 ms; Pipecat's 0.2 is six, longer than the voiced part of "two"."""
MIN_VOLUME: Final = 0.63
"""On Pipecat's scale, -47 LUFS. The bot's echo, 30 dB below a caller at -20 dBFS, reaches 0.62.

Silero alone keeps noise out (tests/unit/bot/test_voice.py). This limit keeps out other people's speech.
"""
CONFIDENCE: Final = 0.7
"""Pipecat's. White and pink noise at -30 dBFS, breathing and keys reach 0.25; 0.6 hears no more words."""


class CallerVoice(SileroVADAnalyzer):
    """Silero's analyzer, with a volume that isn't smoothed.

    Pipecat smooths the volume of the last 0.4 s a second time, over about six windows. After silence it
    passes the limit 0.2 to 0.4 s late, when a short or quiet word is over: of ten tries (five voices, two
    noises), three are missed with "two" at full level, and seven at 18 dB below. Without smoothing, all are
    heard down to 22 dB below, after 0.13 to 0.26 s instead of 0.36 to 0.58.
    """

    def __init__(self, stop_secs: float) -> None:
        """Analyze the caller's voice. `stop_secs` is the silence that ends a turn, in seconds."""
        super().__init__(
            params=VADParams(
                confidence=CONFIDENCE, start_secs=START_SECONDS, stop_secs=stop_secs, min_volume=MIN_VOLUME
            )
        )
        self._smoothing_factor = 1.0
