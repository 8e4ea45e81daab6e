"""Pipecat's Gemini Live service, hardened: it reports a model that can't be reached or heard, and reconnects.

Pipecat's own service keeps a mute bot running when the first connection fails, when too many in a row
break, or when the model falls silent; and it forgets a tool's result if its connection is lost.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pipecat.frames.frames import LLMFullResponseEndFrame, TTSStoppedFrame

from podline.errors import BotError, ModelLost
from podline.extras import optional
from podline.gemini.failures import CONNECTION_ERRORS, cause, why_no_session
from podline.tool_calls import AnsweredToolCalls

if TYPE_CHECKING:
    from google.genai import live as genai_live
    from google.genai import types as genai_types
    from pipecat.services.google.gemini_live import llm as gemini_live
else:
    genai_live = optional("google", "google.genai.live")
    genai_types = optional("google", "google.genai.types")
    gemini_live = optional("google", "pipecat.services.google.gemini_live.llm")


SETUP_SECONDS: Final = 10.0
"""How long a session may take to set up."""
STALL_SECONDS: Final = 8.0
"""How long the caller may wait for any sign of an answer. Answers take about one second."""
BEGINNING_SECONDS: Final = 1.5
"""How much audio from before the detection of speech the model hears. Detection usually takes 0.3 s, and 1 s
when it is unsure: with Pipecat's 0.3 s, `save` sometimes began in its vowel and was heard as `remove`."""
PAUSES_SECONDS: Final = (0.5, 2.0)
"""Pauses before the first and second reconnection. After the third failure in a row Pipecat gives up."""
GO_ON: Final = (
    "The connection was interrupted for a moment. Go on where you stopped. "
    "If you did not hear what the caller said last, apologize and ask them to say it again."
)


class GeminiLive(AnsweredToolCalls, gemini_live.GeminiLiveLLMService):
    """Speaks and hears through Gemini Live, over several sessions in a row if it must.

    Turns must be driven by the bot's own voice activity detection (`GeminiVADParams(disabled=True)`).

    Args:
        api_key: A key, or a token for one call.
        on_lost: Called once if no session can be opened, or it is lost for good.
        on_reconnected: Called when a lost connection has been restored.
        options: As for Pipecat's service.
    """

    def __init__(
        self,
        *,
        api_key: str,
        on_lost: Callable[[BotError], None],
        on_reconnected: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__(
            api_key=api_key,
            http_options=_http_options(api_key),
            **{"user_audio_preroll_secs": BEGINNING_SECONDS, **options},
        )
        self._on_lost = on_lost
        self._on_reconnected = on_reconnected
        self._has_been_ready = False
        self._is_lost = False
        self._reply_is_due = False
        self._stalls = 0
        self._watch: asyncio.TimerHandle | None = None
        self._moves_on = False
        self._is_cut_short = False
        self._open_calls: set[str] = set()
        self._forgotten_calls: set[str] = set()
        self._unanswered_results: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._unanswered_texts: list[str] = []

    # Connecting and reconnecting.

    async def _connection_task_handler(self, config: genai_types.LiveConnectConfig) -> None:
        try:
            await super()._connection_task_handler(config)
        except CONNECTION_ERRORS as error:
            if not self._has_been_ready:
                await self._give_up(why_no_session(error))
            elif await self._handle_connection_error(error):
                await self._reconnect()

    async def _connect(self, session_resumption_handle: str | None = None) -> None:
        await super()._connect(session_resumption_handle)
        self._watch_for(SETUP_SECONDS)

    async def _handle_session_ready(self, session: genai_live.AsyncSession) -> None:
        self._cancel_watch()
        is_first, self._has_been_ready = not self._has_been_ready, True
        is_resumed = self._session_resumption_handle is not None
        await super()._handle_session_ready(session)
        if is_first:
            return
        self._on_reconnected()
        if self._user_is_speaking:
            # Sound outside of an activity is discarded, and this session knows of none.
            await super()._handle_user_started_speaking(None)  # type: ignore[no-untyped-call]
        if not is_resumed:
            # A freshly seeded session doesn't know the calls that tools have yet to answer.
            self._forgotten_calls |= self._open_calls | self._unanswered_results.keys()
            self._open_calls.clear()
            self._unanswered_results.clear()
        if self._reply_is_due:
            await self._go_on()

    async def _go_on(self) -> None:
        """Send the model what it has not answered, so that it answers on this connection."""
        if self._unanswered_results:
            for args, options in self._unanswered_results.values():
                await super()._tool_result(*args, **options)
            self._expect_reply()
        elif self._unanswered_texts:
            await super()._send_user_text(" ".join(self._unanswered_texts))
            self._expect_reply()
        elif not self._open_calls:
            await super()._send_user_text(GO_ON)
            self._expect_reply()

    async def _handle_connection_error(self, error: Exception) -> bool:
        # Nothing more goes to the lost connection: each sound sent there would be another error.
        self._session = None
        self._cancel_watch()
        await self._close_response()
        # Pipecat logs the error's text. If a message was unreadable, that is the message itself.
        if not await super()._handle_connection_error(ConnectionError(cause(error))):
            await self._give_up(
                ModelLost(
                    f"The connection to Gemini broke several times in a row ({cause(error)}); "
                    "the caller can call again."
                )
            )
            return False
        await asyncio.sleep(PAUSES_SECONDS[min(self._consecutive_failures, len(PAUSES_SECONDS)) - 1])
        return True

    async def _disconnect(self) -> None:
        self._cancel_watch()
        await super()._disconnect()  # type: ignore[no-untyped-call]

    async def _reconnect(self) -> None:
        completed, names = self._completed_tool_calls, self._tool_call_id_to_name
        await super()._reconnect()  # type: ignore[no-untyped-call]
        # Pipecat forgets them with the connection, and would send all of the call's results again.
        self._completed_tool_calls, self._tool_call_id_to_name = completed, names

    async def _give_up(self, error: BotError) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self._session = None
        self._cancel_watch()
        self._on_lost(error)
        await self.push_error(error.message, force_treat_as_permanent=True)

    async def _close_response(self) -> None:
        """End the answer that the lost connection left open."""
        if self._bot_is_responding:
            await self._set_bot_is_responding(responding=False)
            await self.push_frame(TTSStoppedFrame())
            await self.push_frame(LLMFullResponseEndFrame())

    # The model's messages.

    async def _handle_server_message(self, message: genai_types.LiveServerMessage) -> None:
        self._note_answer(message)
        await super()._handle_server_message(message)
        content = message.server_content
        # Pipecat reads usage only if it shares a message with the end of a turn.
        if message.usage_metadata and not (content and content.turn_complete):
            await self._handle_msg_usage_metadata(message)
        if message.go_away:
            self._moves_on = True
        if self._moves_on and not (self._reply_is_due or self._bot_is_responding or self._user_is_speaking):
            self._moves_on = False
            self.create_task(self._reconnect(), "move on to another connection")

    def _note_answer(self, message: genai_types.LiveServerMessage) -> None:
        """Note what has been answered, and whether more of the answer is to come."""
        content = message.server_content or genai_types.LiveServerContent()
        if content.interrupted:
            self._is_cut_short = True
        is_reply = message.tool_call or content.model_turn
        # An interrupted answer is complete as well, but the interruption still needs an answer.
        is_complete = content.turn_complete and not self._is_cut_short
        if is_reply or is_complete or content.generation_complete:
            self._stalls = 0
            self._unanswered_texts.clear()
            self._unanswered_results.clear()
            self._cancel_watch()
        if content.model_turn and not (content.generation_complete or content.turn_complete):
            self._watch_for(STALL_SECONDS)
        if is_complete:
            self._reply_is_due = False
        if message.tool_call:
            self._open_calls |= {call.id for call in message.tool_call.function_calls or [] if call.id}
        if is_reply or content.turn_complete:
            self._is_cut_short = False

    # What the model has to answer.

    async def _handle_user_started_speaking(self, frame: Any) -> None:
        self._cancel_watch()
        self._reply_is_due = False
        await super()._handle_user_started_speaking(frame)  # type: ignore[no-untyped-call]

    async def _handle_user_stopped_speaking(self, frame: Any) -> None:
        await super()._handle_user_stopped_speaking(frame)  # type: ignore[no-untyped-call]
        self._expect_reply()

    async def _send_user_text(self, text: str) -> None:
        # Kept, because between two connections the text would be lost.
        self._unanswered_texts.append(text)
        await super()._send_user_text(text)
        self._expect_reply()

    async def _create_initial_response(self, for_reconnect: bool = False) -> None:  # noqa: FBT001, FBT002 - Pipecat's
        await super()._create_initial_response(for_reconnect)
        if not for_reconnect:
            self._expect_reply()

    async def _tool_result(self, tool_call_id: str, *args: Any, **options: Any) -> None:
        self._open_calls.discard(tool_call_id)
        if tool_call_id in self._forgotten_calls:
            return
        self._unanswered_results[tool_call_id] = ((tool_call_id, *args), options)
        await super()._tool_result(tool_call_id, *args, **options)
        self._expect_reply()

    # A silent model.

    def _expect_reply(self) -> None:
        self._reply_is_due = True
        # While the caller speaks nothing is due yet: the watch begins with the end of their turn.
        if self._session is not None and not self._user_is_speaking:
            self._watch_for(STALL_SECONDS)

    def _watch_for(self, seconds: float) -> None:
        self._cancel_watch()
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(
            seconds, lambda: self.create_task(self._handle_silence(seconds), "answer a model's silence")
        )

    def _cancel_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _handle_silence(self, seconds: float) -> None:
        """Try another connection once; a model that is silent on that one too is lost."""
        silence = TimeoutError(f"no answer for {seconds:g} seconds")
        self._stalls += 1
        if not self._has_been_ready:
            await self._give_up(why_no_session(silence))
        elif self._stalls > 1:
            await self._give_up(
                ModelLost(
                    f"Gemini fell silent, even on a second connection ({silence}); the caller can call again."
                )
            )
        elif await self._handle_connection_error(silence):
            await self._reconnect()


def _http_options(api_key: str) -> genai_types.HttpOptions | None:
    """Return the API version that accepts a token for one call; keys work with the default."""
    return genai_types.HttpOptions(api_version="v1alpha") if api_key.startswith("auth_tokens/") else None
