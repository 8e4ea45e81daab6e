"""The sandbox's ears: pocketsphinx with a grammar, decoding in threads while the caller still speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pocketsphinx

from sandbox.voice import Samples

HEARING_RATE: Final = 16_000
"""Samples per second of pocketsphinx's English model."""

_DICTIONARY: Final = "en-us/cmudict-en-us.dict"

_NOISE: Final = 60.0
"""Standard deviation of the white noise laid under all speech: the model was trained in rooms, and takes
digital silence for speech sounds. Of 100 phrases 67 are right without it, 90 with it."""

_TAIL_SECONDS: Final = 0.2
"""Silence after an utterance whose end the client marked, so that its last sound can end."""


class Listener:
    """One decoder and its thread. It hears one utterance at a time."""

    def __init__(self, grammar: str, random: np.random.Generator) -> None:
        self._random = random
        self._open = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ears")
        self._decoder: Future[Any] = self._thread.submit(_make_decoder, grammar)

    def begin(self) -> None:
        """Start an utterance, and drop one that was never finished."""
        self._thread.submit(self._begin)

    def hear(self, samples: Samples) -> None:
        """Decode the next samples, in the background."""
        self._thread.submit(self._process, samples)

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
        decoder.start_utt()
        self._open = True

    def _process(self, samples: Samples) -> None:
        noise = self._random.normal(0.0, _NOISE, samples.size)
        heard = np.clip(samples + noise, -32_768, 32_767).astype(np.int16)
        self._decoder.result().process_raw(heard.tobytes())

    def _finish(self) -> str | None:
        self._process(np.zeros(round(_TAIL_SECONDS * HEARING_RATE), np.int16))
        decoder = self._decoder.result()
        decoder.end_utt()
        self._open = False
        hypothesis = decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis is not None and hypothesis.hypstr else None


class Ears:
    """As many listeners as there are callers speaking at one moment; each is used again and again."""

    def __init__(self, grammar: str, random: np.random.Generator) -> None:
        self._grammar = grammar
        self._random = random
        self._all: list[Listener] = []
        self._idle: list[Listener] = []

    async def warm_up(self) -> None:
        """Make the first listener now, so that the first caller does not wait for it."""
        listener = self.borrow()
        await listener.ready()
        self.give_back(listener)

    def borrow(self) -> Listener:
        """A listener for one utterance, which is to be given back."""
        if self._idle:
            return self._idle.pop()
        [random] = self._random.spawn(1)
        listener = Listener(self._grammar, random)
        self._all.append(listener)
        return listener

    def give_back(self, listener: Listener) -> None:
        self._idle.append(listener)

    def close(self) -> None:
        for listener in self._all:
            listener.close()


def known_words(words: Collection[str]) -> set[str]:
    """Those of the words whose sound the model's dictionary knows."""
    with Path(pocketsphinx.get_model_path(_DICTIONARY)).open(encoding="utf-8") as dictionary:
        return {word for line in dictionary if (word := line.split(" ", 1)[0]) in words}


def _make_decoder(grammar: str) -> Any:
    decoder = pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        dict=pocketsphinx.get_model_path(_DICTIONARY),
        lm=None,
        samprate=HEARING_RATE,
        loglevel="FATAL",
    )
    decoder.add_jsgf_string("requests", grammar)
    decoder.activate_search("requests")
    return decoder
