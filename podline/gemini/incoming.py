"""The model's messages as Pipecat's service reads them: one part each, calls as calls, audio at 24 kHz.

Pipecat reads the first part of a message only, and drops audio of another rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import soxr
from loguru import logger

from podline.extras import optional

if TYPE_CHECKING:
    from google.genai import types as genai_types
else:
    genai_types = optional("google", "google.genai.types")

RATE: Final = 24_000
"""Samples per second that Pipecat's service takes: ai.google.dev/gemini-api/docs/live, audio formats."""
LOWEST_RATE: Final = 8_000
HIGHEST_RATE: Final = 48_000
AUDIO_TYPE: Final = f"audio/pcm;rate={RATE}"
LONGEST_TRANSCRIPTION: Final = 4_000
"""Characters of one message: minutes of speech."""
MOST_TOKENS: Final = 10_000_000
"""Tokens of one turn: ten times the largest context there is."""

_SAMPLE_BYTES: Final = 2
_MOST_PARTS: Final = 64
"""Parts of one message beyond these are dropped. Gemini sends one, sometimes two."""
_MOST_TYPES_LOGGED: Final = 10
_NO_SAMPLES: Final = np.zeros(0, "<i2")


class IncomingMessages:
    """Prepares one connection's messages, in order."""

    def __init__(self, *, takes_text: bool = False) -> None:
        """Prepare for the first message. `takes_text` is True for a model that writes its answers."""
        self._takes_text = takes_text
        self._audio = _AudioStream()
        self._logged: set[str] = set()

    def prepare(self, message: genai_types.LiveServerMessage) -> Iterator[genai_types.LiveServerMessage]:
        """Yield the message, split into one for each part that can be used.

        The first carries what precedes the parts (`interrupted`), the last everything else.
        """
        message = self._bounded(message)
        content = message.server_content
        if content is None:
            yield message
            return
        if content.interrupted:
            self._audio.end()
        sent = (content.model_turn.parts if content.model_turn else None) or []
        parts, calls = self._usable(sent, _calls_of(message))
        rest = self._audio.end() if content.generation_complete or content.turn_complete else b""
        if rest:
            parts.append(_audio_part(rest))
        elif not sent:
            yield message
            return
        if len(parts) > 1:
            yield from self._before_the_last(content, parts)
        yield _last(message, content, parts[-1:], calls, keeps_interrupted=len(parts) <= 1)

    def _bounded(self, message: genai_types.LiveServerMessage) -> genai_types.LiveServerMessage:
        """Cut transcriptions to a length that somebody can say, and leave out impossible counts of tokens."""
        content, usage = message.server_content, message.usage_metadata
        if usage is not None and not _is_possible(usage):
            self._log_once("usage")
            message = message.model_copy(update={"usage_metadata": None})
        if content is not None and (
            _is_long(content.input_transcription) or _is_long(content.output_transcription)
        ):
            cut = {
                "input_transcription": _cut(content.input_transcription),
                "output_transcription": _cut(content.output_transcription),
            }
            message = message.model_copy(update={"server_content": content.model_copy(update=cut)})
        return message

    def _usable(
        self, parts: list[genai_types.Part], calls: list[genai_types.FunctionCall]
    ) -> tuple[list[genai_types.Part], list[genai_types.FunctionCall]]:
        """Return the parts that Pipecat can use, and all calls: those in parts follow the message's own."""
        usable, calls = [], list(calls)
        for part in parts[:_MOST_PARTS]:
            call = part.function_call
            if call is not None:
                if not any(_is_same(call, other) for other in calls):
                    calls.append(call)
            elif part.inline_data is not None:
                audio = self._audio_of(part.inline_data)
                if audio:
                    usable.append(_audio_part(audio))
            elif part.thought and part.text:
                usable.append(genai_types.Part(text=part.text[:LONGEST_TRANSCRIPTION], thought=True))
            elif self._takes_text and part.text:
                usable.append(genai_types.Part(text=part.text[:LONGEST_TRANSCRIPTION]))
            else:
                # Text can't be heard, and Pipecat would treat the turn as a written one.
                self._log_once("text" if part.text else "unknown")
        return usable, calls

    def _audio_of(self, blob: genai_types.Blob) -> bytes:
        """Return the blob's samples at `RATE`; nothing if it is no audio that can be played."""
        rate = _rate_of(blob.mime_type or "")
        if rate is None:
            self._log_once(blob.mime_type or "no type")
            return b""
        return self._audio.at_our_rate(blob.data or b"", rate)

    def _log_once(self, kind: str) -> None:
        kind = "".join(letter for letter in kind[:60] if letter.isprintable())
        if kind not in self._logged and len(self._logged) < _MOST_TYPES_LOGGED:
            self._logged.add(kind)
            logger.warning("unplayable part from the model", kind=kind)

    @staticmethod
    def _before_the_last(
        content: genai_types.LiveServerContent, parts: list[genai_types.Part]
    ) -> Iterator[genai_types.LiveServerMessage]:
        for index, part in enumerate(parts[:-1]):
            yield genai_types.LiveServerMessage(
                server_content=genai_types.LiveServerContent(
                    model_turn=genai_types.Content(role="model", parts=[part]),
                    interrupted=content.interrupted if index == 0 else None,
                )
            )


class _AudioStream:
    """Turns an answer's chunks into whole samples at `RATE`."""

    def __init__(self) -> None:
        self._rate = RATE
        self._rest = b""
        self._resampler: soxr.ResampleStream | None = None

    def end(self) -> bytes:
        """End the answer; return the samples that the resampler held back."""
        resampler, self._resampler, self._rest = self._resampler, None, b""
        return b"" if resampler is None else bytes(resampler.resample_chunk(_NO_SAMPLES, last=True))

    def at_our_rate(self, chunk: bytes, rate: int) -> bytes:
        if rate != self._rate:
            self.end()
            self._rate = rate
        audio = self._rest + chunk
        whole = len(audio) - len(audio) % _SAMPLE_BYTES
        self._rest = audio[whole:]
        if rate == RATE:
            return audio[:whole]
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="int16")
        return bytes(self._resampler.resample_chunk(np.frombuffer(audio, "<i2", whole // _SAMPLE_BYTES)))


def _is_long(said: genai_types.Transcription | None) -> bool:
    return said is not None and len(said.text or "") > LONGEST_TRANSCRIPTION


def _cut(said: genai_types.Transcription | None) -> genai_types.Transcription | None:
    if said is None or said.text is None:
        return said
    return said.model_copy(update={"text": said.text[:LONGEST_TRANSCRIPTION]})


def tokens_by_modality(details: Sequence[genai_types.ModalityTokenCount] | None) -> dict[str, int]:
    """Return the counts of a turn's tokens; nothing if the model doesn't say."""
    counts: dict[str, int] = {}
    for detail in details or []:
        kind = str(detail.modality.value if detail.modality else "")
        counts[kind] = counts.get(kind, 0) + (detail.token_count or 0)
    return counts


def _is_possible(usage: genai_types.UsageMetadata) -> bool:
    details = (
        *(usage.prompt_tokens_details or []),
        *(usage.response_tokens_details or []),
        *(usage.cache_tokens_details or []),
    )
    counts = (
        usage.prompt_token_count,
        usage.response_token_count,
        usage.cached_content_token_count,
        usage.tool_use_prompt_token_count,
        usage.thoughts_token_count,
        *(detail.token_count for detail in details),
    )
    return all(count is None or 0 <= count <= MOST_TOKENS for count in counts)


@dataclass(frozen=True)
class _Type:
    name: str
    parameters: dict[str, str]


def _rate_of(mime_type: str) -> int | None:
    """Return the sample rate of mono 16-bit PCM; None for anything else, or an implausible rate."""
    kind = _parsed(mime_type)
    if kind.name != "audio/pcm" or kind.parameters.get("channels", "1") != "1":
        return None
    rate = kind.parameters.get("rate", str(RATE))
    if not rate.isascii() or not rate.isdigit() or len(rate) > len(str(HIGHEST_RATE)):
        return None
    return int(rate) if LOWEST_RATE <= int(rate) <= HIGHEST_RATE else None


def _parsed(mime_type: str) -> _Type:
    name, *parameters = mime_type[:200].lower().split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return _Type(name.strip(), {key.strip(): value.strip().strip('"') for key, _, value in pairs})


def _audio_part(audio: bytes) -> genai_types.Part:
    return genai_types.Part(inline_data=genai_types.Blob(data=audio, mime_type=AUDIO_TYPE))


def _calls_of(message: genai_types.LiveServerMessage) -> list[genai_types.FunctionCall]:
    return [] if message.tool_call is None else list(message.tool_call.function_calls or [])


def _is_same(call: genai_types.FunctionCall, other: genai_types.FunctionCall) -> bool:
    """Return whether two calls of a message are one: by id or, if one has none, by name and arguments."""
    if call.id and other.id:
        return call.id == other.id
    return call.name == other.name and call.args == other.args


def _last(
    message: genai_types.LiveServerMessage,
    content: genai_types.LiveServerContent,
    parts: list[genai_types.Part],
    calls: list[genai_types.FunctionCall],
    *,
    keeps_interrupted: bool,
) -> genai_types.LiveServerMessage:
    turn = genai_types.Content(role="model", parts=parts) if parts else None
    changed: dict[str, object] = {"model_turn": turn}
    if not keeps_interrupted:
        changed["interrupted"] = None
    return message.model_copy(
        update={
            "server_content": content.model_copy(update=changed),
            "tool_call": genai_types.LiveServerToolCall(function_calls=calls) if calls else None,
        }
    )
