"""Pipecat's Gemini Live service, hardened: it answers each turn audibly, or gives up.

Pipecat's own service keeps a mute bot running when a connection fails or the model falls silent, treats any
message as an answer, and loses tools' results and the caller's words with a connection.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loguru import logger

from podline.extras import optional
from podline.gemini.answering import GeminiAnswering
from podline.gemini.failures import Failure
from podline.gemini.incoming import LONGEST_TRANSCRIPTION, RATE, IncomingMessages, tokens_by_modality
from podline.gemini.server_turns import ServerTurns
from podline.gemini.turn_audio import TurnAudio
from podline.timer import Timer

if TYPE_CHECKING:
    from google.genai import types as genai_types
else:
    genai_types = optional("google", "google.genai.types")


BEGINNING_SECONDS: Final = 1.5
"""How much audio from before the detection of speech the model hears. Detection usually takes 0.3 s, and 1 s
when it is unsure: with Pipecat's 0.3 s, `save` sometimes began in its vowel and was heard as `remove`."""
UNENDED_SECONDS: Final = 2.0
"""How long after the last sound of a generated answer the model may take to complete its turn."""

GO_ON: Final = (
    "The connection was interrupted for a moment. Go on where you stopped. "
    "If you did not hear what the caller said last, apologize and ask them to say it again."
)


class GeminiLiveLLMService(GeminiAnswering):
    """Speaks and hears through Gemini Live, over several sessions in a row if it must.

    It takes the place of Pipecat's class of this name, with the same arguments. If a turn is not answered
    audibly, it asks again, then reconnects with the conversation so far, and at last pushes a permanent error
    whose exception is a `BotError`. `ModelEventFrame`s report what it does.

    Best driven by the bot's own voice activity detection (`GeminiVADParams(disabled=True)`): only then can a
    turn that was lost with a connection be sent again.
    """

    def __init__(self, *, api_key: str, mute_seconds: float | None = None, **options: Any) -> None:
        """Prepare.

        Args:
            api_key: A key, or a token for one call.
            mute_seconds: How long the caller may wait for audible sound; 0 for a bot that may stay silent.
                By default as in the call's settings.
            options: As for Pipecat's service.
        """
        super().__init__(api_key=api_key, mute_seconds=mute_seconds, **options)
        if self._user_audio_preroll_secs_override is None:
            self._user_audio_preroll_secs = BEGINNING_SECONDS
        self._incoming = IncomingMessages()
        self._turn_audio = TurnAudio(BEGINNING_SECONDS)
        self._turn_order = asyncio.Lock()
        self._has_local_turns = False
        self._server_turns = ServerTurns(self._clock)
        self._words = ""
        self._unended = Timer()
        self._usage: genai_types.UsageMetadata | None = None

    # Connections.

    async def _connection_failed(self, failure: Failure) -> None:
        if self._server_turns.is_unnoticed and self._follows_server and self._is_quiet:
            # With the connection goes what the caller said over it.
            self._expect_reply()
        await super()._connection_failed(failure)

    def _connection_ended(self) -> None:
        super()._connection_ended()
        self._unended.cancel()
        self._usage = None

    async def _connect(self, session_resumption_handle: str | None = None) -> None:
        self._incoming = IncomingMessages(takes_text=self._is_written)
        await super()._connect(session_resumption_handle)

    @property
    def _last_words(self) -> str:
        # What is sent again as audio or text needs no words in the history.
        is_sent_again = self._turn_audio if self._vad_disabled else self._reply.is_owed
        return "" if is_sent_again else self._words.strip()

    async def _session_opened(self) -> None:
        await super()._session_opened()
        if self._is_quiet or self._user_is_speaking:
            await self._send_notes()
        # What the caller says meanwhile follows what they said before.
        async with self._turn_order:
            if self._user_is_speaking:
                await self._repeat_texts()
                # Sound outside of an activity is discarded, and this session knows of none.
                await self._send_turn(is_complete=False)
            elif self._reply.is_owed and (self._turn_audio or not self._is_asked):
                await self._repeat_requests()
                self._expect_reply()

    async def _repeat_requests(self) -> None:
        """Send a session what the one before has not answered."""
        has_turn = self._vad_disabled and bool(self._turn_audio)
        has_results = await self._repeat_results()
        has_texts = await self._repeat_texts()
        if has_turn:
            await self._send_turn(is_complete=True)
        if not (has_results or has_turn or has_texts):
            words = "" if self._vad_disabled else self._words.strip()
            await self._say_to_model(words or GO_ON)

    async def _send_turn(self, *, is_complete: bool) -> None:
        """Send the caller's unanswered turns from their beginning."""
        session = self._session
        if session is None or not self._vad_disabled:
            return
        try:
            await session.send_realtime_input(activity_start=genai_types.ActivityStart())
            for audio, rate in self._turn_audio.chunks():
                blob = genai_types.Blob(data=audio, mime_type=f"audio/pcm;rate={rate}")
                await session.send_realtime_input(audio=blob)
            if is_complete:
                await session.send_realtime_input(activity_end=genai_types.ActivityEnd())
        except Exception as error:  # noqa: BLE001 - the SDK may raise anything
            await self._handle_send_error(error)

    # The model's messages.

    async def _handle_server_message(self, message: genai_types.LiveServerMessage) -> None:
        for part in self._incoming.prepare(message):
            await self._handle_part(part)
        if self._is_quiet:
            await self._send_notes()
        self._move_on_if_quiet()

    async def _handle_part(self, message: genai_types.LiveServerMessage) -> None:
        """Handle a message that has one part at most."""
        content = message.server_content or genai_types.LiveServerContent()
        self._follow_server_turns(message, content)
        if content.interrupted:
            self._reply.interrupted()
        if content.input_transcription:
            self._words = (self._words + (content.input_transcription.text or ""))[-LONGEST_TRANSCRIPTION:]
        for part in (content.model_turn.parts if content.model_turn else None) or []:
            if part.inline_data is not None and part.inline_data.data:
                self._reply.heard(part.inline_data.data, RATE)
            elif self._is_written and part.text and not part.thought:
                self._reply.wrote()
        if message.tool_call:
            message = self._with_accepted_calls(message, message.tool_call.function_calls or [])
        was_held = self._is_turn_held
        await super()._handle_server_message(message)
        if message.tool_call_cancellation:
            await self._cancel_calls(message.tool_call_cancellation.ids or [])
        if content.generation_complete:
            self._note_generated()
        self._usage = message.usage_metadata or self._usage
        if self._is_turn_over(message, was_held=was_held):
            await self._note_completed()

    @property
    def _follows_server(self) -> bool:
        """True if only the server detects the caller's turns."""
        return not (self._vad_disabled or self._has_local_turns)

    def _follow_server_turns(
        self, message: genai_types.LiveServerMessage, content: genai_types.LiveServerContent
    ) -> None:
        """Note that an answer is due to what the server alone has noticed."""
        if not self._follows_server:
            return
        said = [content.input_transcription, content.interim_input_transcription]
        is_said = any(each is not None and (each.text or "").strip() for each in said)
        is_answer = (self._bot_is_responding and not content.interrupted) or self._reply.has_called_tool
        if not (content.interrupted or ((is_said or message.voice_activity) and not is_answer)):
            return
        begins = not self._server_turns.is_open or (content.interrupted and self._reply.is_audible)
        if not self._server_turns.noticed():
            return
        if begins:
            self._words = ""
        if self._reply.is_owed:
            self._wait_anew()
        else:
            self._expect_reply()

    def _note_generated(self) -> None:
        was_owed = self._reply.is_owed
        self._reply.generation_completed()
        if was_owed and not self._reply.is_owed:
            self._settle()
        if not self._unended.is_running:
            unplayed = max(0.0, self._reply.heard_until - self._clock())
            self._unended.start(unplayed + UNENDED_SECONDS, self._end_unended)

    def _end_unended(self) -> None:
        if not (self._calls.running or self._reply.is_owed):
            self.create_task(self._close_response(), "close the model's answer")

    async def _note_completed(self) -> None:
        self._unended.cancel()
        # It may come in a message of its own.
        usage, self._usage = self._usage, None
        is_cut_short, was_owed = self._reply.is_cut_short, self._reply.is_owed
        cause = self._reply.turn_completed()
        if not is_cut_short:
            self._server_turns.answered()
        if usage is not None and self._resumption.has_forgotten(
            tokens_by_modality(usage.prompt_tokens_details),
            {} if is_cut_short else tokens_by_modality(usage.response_tokens_details),
        ):
            logger.warning("model forgot the conversation")
            self._expect_reply()
            self._restart(resumes=False)
        elif cause is not None and not self._calls.running:
            await self._turn_was_no_answer(cause)
        elif was_owed and not self._reply.is_owed:
            self._settle()
        else:
            self._rearm()

    def _settle(self) -> None:
        super()._settle()
        self._turn_audio.forget()
        self._server_turns.closed()

    # What the model has to answer.

    async def _handle_user_started_speaking(self, frame: Any) -> None:
        self._has_local_turns = True
        async with self._turn_order:
            await self._send_notes()
            self._watch.cancel()
            if self._reply.is_audible or not self._reply.is_owed:
                self._unanswered_texts.clear()
                self._words = ""
                self._turn_audio.forget()
            self._reply.withdraw()
            self._turn_audio.begin()
            await super()._handle_user_started_speaking(frame)  # type: ignore[no-untyped-call]

    async def _handle_user_stopped_speaking(self, frame: Any) -> None:
        async with self._turn_order:
            self._turn_audio.end()
            await super()._handle_user_stopped_speaking(frame)  # type: ignore[no-untyped-call]
        if self._audio_input_paused:
            # The model has heard nothing of this.
            return
        # A model that detects the turn's end itself may be the first to notice it.
        self._expect_reply(has_begun=self._bot_is_responding and not self._vad_disabled)

    def _handle_speech_control_params(self, frame: Any) -> None:
        super()._handle_speech_control_params(frame)
        if self._user_audio_preroll_secs_override is None:
            self._user_audio_preroll_secs = max(self._user_audio_preroll_secs, BEGINNING_SECONDS)

    async def _send_user_audio(self, frame: Any) -> None:
        if self._audio_input_paused:
            return
        async with self._turn_order:
            self._turn_audio.hear(frame.audio, frame.sample_rate)
            if self._follows_server and self._server_turns.heard(
                frame.audio, frame.sample_rate, frame.num_channels
            ):
                self._wait_anew()
            await super()._send_user_audio(frame)  # type: ignore[no-untyped-call]

    def _tool_was_called(self) -> None:
        super()._tool_was_called()
        self._turn_audio.forget()
