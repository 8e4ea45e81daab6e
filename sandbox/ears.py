"""The sandbox's ears: pocketsphinx with a grammar, decoding in threads while the caller still speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pocketsphinx

from sandbox.grammar import Grammar
from sandbox.voice import Samples, loudness

HEARING_RATE: Final = 16_000
"""Samples per second of pocketsphinx's English model."""

_DICTIONARY: Final = "en-us/cmudict-en-us.dict"

_NOISE: Final = 60.0
"""Standard deviation of the white noise laid under all speech: the model was trained in rooms, and takes
digital silence for speech sounds. Of 100 phrases 67 are right without it, 90 with it."""

_LEVEL: Final = 3000.0
"""Loudness that speech is brought to: the loudest 0.2 s of its beginning, as root mean square. The same
words three times as loud are right only half as often."""

_LEVEL_FRAME: Final = 320
_LEVEL_FRAMES: Final = 10
_LOUD_FRAMES: Final = 15
"""How much speech is heard before its loudness is judged: 0.3 s."""

_QUIETEST: Final = 150.0
"""Root mean square of a frame below which it is no speech."""

_ABOVE_NOISE: Final = 3.0
"""An utterance whose first frame is this many times as loud as its quietest has begun before it."""

_CEPSTRAL_MEAN: Final = "51.37,-8.76,-3.45,1.16,-11.78,0.45,-6.55,-4.41,-2.54,1.74,-0.95,-1.25,-0.56"
"""The channel's mean after 186 phrases at that level. Each utterance starts from it, so that none depends on
what was heard before; from the decoder's own default, `save product two` was not heard at all."""

_SILENCE_LIKELIHOOD: Final = 0.3
_WORD_LIKELIHOOD: Final = 0.05
"""How readily the decoder takes a pause, or one more word: with these and no second pass over the lattice,
92 of 108 spoken numbers are right instead of 83, in three quarters of the time."""

_TAIL_SECONDS: Final = 0.2
"""Silence added to an utterance that the client ended explicitly, so that its last sound can end."""


class UtteranceListener:
    """One decoder and its thread. It hears one utterance at a time."""

    def __init__(self, grammar: Grammar, random: np.random.Generator) -> None:
        self._random = random
        self._grammar = grammar
        self._open = False
        self._gain: float | None = None
        self._beginning: Samples = np.zeros(0, np.int16)
        self._levels: list[float] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ears")
        self._decoder: Future[Any] = self._thread.submit(_make_decoder, grammar.jsgf)

    def begin(self) -> None:
        """Start an utterance, and drop one that was never finished."""
        self._thread.submit(self._begin)

    def hear(self, samples: Samples) -> None:
        """Decode the next samples, in the background."""
        self._thread.submit(self._hear, samples)

    def finish(self) -> asyncio.Future[str | None]:
        """End the utterance: the result is its words, or None where nothing in the grammar fits."""
        return asyncio.wrap_future(self._thread.submit(self._finish))

    async def ready(self) -> None:
        """Wait until the decoder has been made."""
        await asyncio.wrap_future(self._decoder)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        decoder = self._decoder.result()
        if self._open:
            decoder.end_utt()
        decoder.set_cmn(_CEPSTRAL_MEAN)
        decoder.start_utt()
        self._open = True
        self._gain = None
        self._beginning = np.zeros(0, np.int16)
        self._levels = []

    def _hear(self, samples: Samples) -> None:
        """Decode once enough was heard to judge how loud it is."""
        self._levels += _levels(samples)
        if self._gain is not None:
            self._decode(samples, self._gain)
            return
        self._beginning = np.concatenate([self._beginning, samples])
        if sum(level > _QUIETEST for level in self._levels) >= _LOUD_FRAMES:
            self._decode_beginning()

    def _decode_beginning(self) -> None:
        loudest = sorted(self._levels)[-_LEVEL_FRAMES:]
        self._gain = _LEVEL / max(_QUIETEST, sum(loudest) / _LEVEL_FRAMES)
        self._decode(self._beginning, self._gain)

    def _decode(self, samples: Samples, gain: float) -> None:
        noise = self._random.normal(0.0, _NOISE, samples.size)
        heard = np.clip(samples * gain + noise, -32_768, 32_767).astype(np.int16)
        self._decoder.result().process_raw(heard.tobytes())

    def _finish(self) -> str | None:
        if self._gain is None:
            self._decode_beginning()
        self._decode(np.zeros(round(_TAIL_SECONDS * HEARING_RATE), np.int16), 1.0)
        decoder = self._decoder.result()
        decoder.end_utt()
        self._open = False
        hypothesis = decoder.hyp()
        words = str(hypothesis.hypstr) if hypothesis is not None else ""
        accepted = self._grammar.accepts(words, beginning_is_missing=self._begins_in_speech())
        return words if accepted else None

    def _begins_in_speech(self) -> bool:
        """Whether what was heard first is speech already, so that something was said before."""
        return bool(self._levels) and self._levels[0] > max(_QUIETEST, _ABOVE_NOISE * min(self._levels))


class Ears:
    """As many listeners as there are callers speaking at one moment; each is used again and again."""

    def __init__(self, grammar: Grammar, random: np.random.Generator) -> None:
        self._grammar = grammar
        self._random = random
        self._all: list[UtteranceListener] = []
        self._idle: list[UtteranceListener] = []

    async def warm_up(self) -> None:
        """Make the first listener now, so that the first caller does not wait for it."""
        listener = self.borrow()
        await listener.ready()
        self.give_back(listener)

    def borrow(self) -> UtteranceListener:
        """Return a listener for one utterance; give it back afterwards."""
        if self._idle:
            return self._idle.pop()
        [random] = self._random.spawn(1)
        listener = UtteranceListener(self._grammar, random)
        self._all.append(listener)
        return listener

    def give_back(self, listener: UtteranceListener) -> None:
        self._idle.append(listener)

    def close(self) -> None:
        for listener in self._all:
            listener.close()


def known_words(words: Collection[str]) -> set[str]:
    """Return those of the words that the model's dictionary can pronounce."""
    with Path(pocketsphinx.get_model_path(_DICTIONARY)).open(encoding="utf-8") as dictionary:
        return {word for line in dictionary if (word := line.split(" ", 1)[0]) in words}


def _levels(samples: Samples) -> list[float]:
    """How loud each frame is."""
    starts = range(0, samples.size, _LEVEL_FRAME)
    return [loudness(samples[start : start + _LEVEL_FRAME]) for start in starts]


def _make_decoder(jsgf: str) -> Any:
    decoder = pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        dict=pocketsphinx.get_model_path(_DICTIONARY),
        lm=None,
        samprate=HEARING_RATE,
        bestpath=False,
        silprob=_SILENCE_LIKELIHOOD,
        wip=_WORD_LIKELIHOOD,
        loglevel="FATAL",
    )
    decoder.add_jsgf_string("requests", jsgf)
    decoder.activate_search("requests")
    return decoder
