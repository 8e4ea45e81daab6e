"""How patiently the model listens, and how fast it sends its speech."""

from __future__ import annotations

import msgspec


class Pacing(msgspec.Struct, frozen=True):
    """Times are in seconds.

    Attributes:
        end_of_speech: Silence after which an utterance counts as finished, where the client names none.
        chunk: Length of one piece of audio.
        lead: How much audio is sent at once, before pacing begins.
        pace: How much faster than real time audio is sent after that.
    """

    end_of_speech: float = 0.5
    chunk: float = 0.04
    lead: float = 0.2
    pace: float = 1.5
