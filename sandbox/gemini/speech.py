"""The model's speech: small pieces of audio, each with the words that are spoken in it, and paced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from sandbox.gemini.pacing import Pacing
from sandbox.mind.answers import sentences
from sandbox.voice import Samples, Voice, seconds_of

SPEAKING_RATE: Final = 24_000
"""Samples per second of Gemini Live's speech: ai.google.dev/gemini-api/docs/live."""


class Piece(msgspec.Struct, frozen=True):
    """A piece of audio and the words that begin in it, spaces included."""

    samples: Samples
    words: str

    @property
    def seconds(self) -> float:
        return seconds_of(self.samples, SPEAKING_RATE)


class Speaker:
    """Speaks a little faster than real time, as Gemini does, so that a client can always be cut short."""

    rate: Final = SPEAKING_RATE

    def __init__(
        self,
        voice: Voice,
        pacing: Pacing,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._voice = voice
        self._pacing = pacing
        self._clock = clock
        self._sleep = sleep

    async def speak(self, text: str, chunk_seconds: float | None = None) -> AsyncIterator[Piece]:
        """Yield a text's pieces, each when it is time to send it.

        Args:
            text: What is said.
            chunk_seconds: The length of a piece, if it is not the usual one.
        """
        began_at: float | None = None
        sent = 0.0
        space = ""
        for sentence in sentences(text):
            samples = await asyncio.to_thread(self._voice.say, sentence, SPEAKING_RATE)
            began_at = self._clock() if began_at is None else began_at
            for piece in cut(samples, space + sentence, chunk_seconds or self._pacing.chunk):
                due_at = began_at + max(0.0, sent - self._pacing.lead) / self._pacing.pace
                await self._sleep(max(0.0, due_at - self._clock()))
                yield piece
                sent += piece.seconds
            space = " "

    async def pause(self, seconds: float) -> None:
        """Say nothing for this long."""
        await self._sleep(seconds)

    async def wait_until_played(self, began_at: float, seconds: float) -> None:
        """Wait until speech of this length, begun at `began_at`, has been played in real time."""
        await self._sleep(max(0.0, began_at + seconds - self._clock()))


def cut(samples: Samples, sentence: str, chunk: float) -> list[Piece]:
    """Cut a spoken sentence into pieces of `chunk` seconds, its words spread evenly over them."""
    size = round(chunk * SPEAKING_RATE)
    starts = range(0, samples.size, size)
    words = _words_with_spaces(sentence)
    return [
        Piece(
            samples[start : start + size],
            "".join(words[_share(words, index, starts) : _share(words, index + 1, starts)]),
        )
        for index, start in enumerate(starts)
    ]


def _share(words: list[str], index: int, starts: range) -> int:
    """How many of the words have begun before the piece of this index."""
    return -(-len(words) * index // len(starts))


def _words_with_spaces(sentence: str) -> list[str]:
    """Words, each with the space before it."""
    lead = " " if sentence.startswith(" ") else ""
    first, *rest = sentence.split()
    return [lead + first, *(f" {word}" for word in rest)]
