"""One session: the client's messages become speech, text and tool results for the conversation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable
from typing import Final

import numpy as np

from sandbox.ears import HEARING_RATE, Ears, UtteranceListener
from sandbox.gemini import wire
from sandbox.gemini.activity import Activity, ActivityDetector, SpeechEnded, SpeechGoesOn, SpeechStarted
from sandbox.gemini.conversation import Conversation
from sandbox.gemini.pacing import Pacing
from sandbox.voice import Samples, resample, seconds_of

_AUDIO_TYPE: Final = re.compile(r"audio/pcm(?:;\s*rate=(?P<rate>\d{4,6}))?", re.IGNORECASE)


class LiveSession:
    """Hears the caller and hands utterances, texts and tool results to the conversation."""

    def __init__(self, setup: wire.Setup, conversation: Conversation, ears: Ears, pacing: Pacing) -> None:
        detection = setup.realtime_input_config.automatic_activity_detection
        silence = detection.silence_duration_ms
        self._detector = (
            None
            if detection.disabled
            else ActivityDetector(pacing.end_of_speech if silence is None else silence / 1000)
        )
        self._conversation = conversation
        self._ears = ears
        self._listener: UtteranceListener | None = None
        self._heard_seconds = 0.0

    async def run(self, messages: AsyncIterable[wire.ClientMessage]) -> None:
        """Take messages until the client leaves.

        Raises:
            ProtocolError: The client broke the protocol.
        """
        try:
            await self._conversation.open()
            async for message in messages:
                await self._take(message)
        finally:
            self._conversation.stop()
            self._let_go()

    async def _take(self, message: wire.ClientMessage) -> None:
        if message.setup is not None:
            raise wire.ProtocolError(
                wire.WRONG_ARGUMENT, "setup must be the first message and only the first."
            )
        if message.client_content is not None:
            await self._conversation.take_content(message.client_content)
        if message.realtime_input is not None:
            await self._take_realtime(message.realtime_input)
        if message.tool_response is not None:
            for response in message.tool_response.function_responses:
                await self._conversation.take_tool_response(response)

    async def _take_realtime(self, realtime: wire.RealtimeInput) -> None:
        if self._detector is not None and (realtime.activity_start or realtime.activity_end) is not None:
            raise wire.ProtocolError(
                wire.WRONG_ARGUMENT,
                "Explicit activity control is not supported when automatic activity detection is enabled.",
            )
        if realtime.activity_start is not None:
            await self._start_listening()
        for blob in (realtime.audio, *realtime.media_chunks):
            if blob is not None:
                await self._take_audio(_samples(blob))
        if realtime.text is not None:
            await self._conversation.take_text(realtime.text)
        if realtime.activity_end is not None:
            await self._finish_listening(0.0)
        if realtime.audio_stream_end and self._detector is not None:
            await self._follow(self._detector.end())

    async def _take_audio(self, samples: Samples) -> None:
        if self._detector is not None:
            await self._follow(self._detector.feed(samples))
        elif self._listener is not None:
            self._hear(samples)

    async def _follow(self, activities: list[Activity]) -> None:
        for activity in activities:
            match activity:
                case SpeechStarted():
                    await self._start_listening()
                    self._hear(activity.samples)
                case SpeechGoesOn():
                    self._hear(activity.samples)
                case SpeechEnded():
                    await self._finish_listening(activity.silence)

    async def _start_listening(self) -> None:
        if self._listener is not None:
            return
        self._listener = self._ears.borrow()
        self._listener.begin()
        self._heard_seconds = 0.0
        await self._conversation.reach("speech")
        await self._conversation.interrupt()

    def _hear(self, samples: Samples) -> None:
        if self._listener is not None:
            self._listener.hear(samples)
            self._heard_seconds += seconds_of(samples, HEARING_RATE)

    async def _finish_listening(self, silence: float) -> None:
        if self._listener is None:
            return
        words = self._listener.finish()
        self._let_go()
        await self._conversation.take_speech(words, self._heard_seconds, silence)

    def _let_go(self) -> None:
        if self._listener is not None:
            self._ears.give_back(self._listener)
            self._listener = None


def _samples(blob: wire.Blob) -> Samples:
    """Samples at the rate we hear at.

    Raises:
        ProtocolError: It is no PCM audio.
    """
    kind = _AUDIO_TYPE.fullmatch(blob.mime_type)
    data = blob.decoded()
    if kind is None or len(data) % 2:
        raise wire.ProtocolError(
            wire.WRONG_ARGUMENT, f"Unsupported audio: {blob.mime_type}, {len(data)} bytes."
        )
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    return resample(samples, int(kind["rate"] or HEARING_RATE), HEARING_RATE)
