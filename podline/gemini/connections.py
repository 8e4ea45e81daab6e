"""The connections to Gemini Live, one after another: how they begin, break, are replaced and given up."""

import asyncio
import contextlib
import math
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from loguru import logger
from pipecat.frames.frames import LLMFullResponseEndFrame, TTSStoppedFrame
from pipecat.utils.errors import ErrorCategory

from podline.contract.messages import ModelReconnected, ModelReseeded, TurnUnanswered
from podline.errors import BotError, ModelRefused
from podline.extras import optional
from podline.frames import ModelEvent, ModelEventFrame
from podline.gemini.failures import Failure, failure_of
from podline.gemini.history import as_turns
from podline.gemini.options import SETUP_SECONDS
from podline.gemini.options import http_options as connection_options
from podline.gemini.resumption import Resumption
from podline.gemini.sending import SendingSession
from podline.timer import Timer

if TYPE_CHECKING:
    from google.genai import types as genai_types
    from pipecat.services.google.gemini_live import llm as gemini_live
else:
    genai_types = optional("google", "google.genai.types")
    gemini_live = optional("google", "pipecat.services.google.gemini_live.llm")


PAUSES_SECONDS: Final = (0.5, 2.0)
"""Pauses before the first and second reconnection. The third failure in a row is the last."""
STABLE_SECONDS: Final = 10.0
"""A connection that lasted this long ends a row of failures, as in Pipecat."""
LEAVE_SECONDS: Final = 1.0
"""How long before the end that a goAway announces the bot leaves at the latest."""
HANDLE_SECONDS: Final = 2.0
"""How long the handle of a completed turn may take before the bot moves on without one."""


class GeminiConnections(gemini_live.GeminiLiveLLMService):
    """Pipecat's service with its connections managed here. Its subclasses decide what is said over them."""

    def __init__(
        self,
        *,
        api_key: str,
        http_options: genai_types.HttpOptions | dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        super().__init__(api_key=api_key, http_options=connection_options(api_key, http_options), **options)
        settings: Any = self._settings
        if not settings.context_window_compression:
            # Without it an audio session ends after 15 minutes: ai.google.dev/gemini-api/docs/live-session.
            settings.context_window_compression = gemini_live.ContextWindowCompressionParams(enabled=True)
        self._clock = clock
        self._resumption = Resumption()
        self._failures = 0
        self._has_been_ready = False
        self._is_over = False
        self._ready_at = 0.0
        self._quiet_at = 0.0
        self._leave_by: float | None = None
        self._moved_at = -math.inf
        self._move = Timer()
        self._restarting: asyncio.Task[None] | None = None

    # What the subclass decides.

    @property
    @abstractmethod
    def _is_quiet(self) -> bool:
        """True while nothing is said, asked or awaited, so that nobody would notice a reconnection."""

    @property
    @abstractmethod
    def _is_answer_due(self) -> bool:
        """True if the caller waits for an answer."""

    @property
    @abstractmethod
    def _last_words(self) -> str:
        """What the caller said last, if another session can be given only its words."""

    @abstractmethod
    async def _session_opened(self) -> None:
        """Send what the session has to know. The conversation's turns are there already."""

    # Connecting.

    async def _connect(self, session_resumption_handle: str | None = None) -> None:
        self._session_resumption_handle = session_resumption_handle
        await super()._connect(session_resumption_handle)
        if self._connection_task is None:
            await self._give_up(
                ModelRefused("The bot's settings for Gemini make no valid session; see the bot's log.")
            )

    async def _connection_task_handler(self, config: genai_types.LiveConnectConfig) -> None:
        settings: Any = self._settings
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(SETUP_SECONDS):
                    connecting = self._client.aio.live.connect(model=settings.model or "", config=config)
                    session = await stack.enter_async_context(connecting)
                ours: Any = SendingSession(session)
                await self._handle_session_ready(ours)
                while True:
                    async for message in session.receive():
                        if self._session is not ours:
                            # The bot has left this session: the next one answers.
                            return
                        await self._handle_server_message(message)
        except Exception as error:  # noqa: BLE001 - after any error there is no model
            await self._connection_failed(failure_of(error))

    async def _handle_session_ready(self, session: Any) -> None:
        is_resumed = self._session_resumption_handle is not None
        is_first, self._has_been_ready = not self._has_been_ready, True
        self._ready_at = self._clock()
        self._leave_by = None
        self._resumption.opened(is_resumed=is_resumed)
        logger.info("model connected", resumed=is_resumed)
        await super()._handle_session_ready(session)
        if not is_first:
            await self._push_event(ModelReconnected(resumed=is_resumed))
        await self._session_opened()

    async def _create_initial_response(self, for_reconnect: bool = False) -> None:  # noqa: FBT001, FBT002 - Pipecat's
        if for_reconnect:
            await self._push_event(ModelReseeded())
        if for_reconnect and self._context is not None and self._is_gemini_3:
            await self._seed(as_turns(self._context.get_messages(), self._last_words))
        else:
            # Pipecat knows what an earlier model needs to take notice of its history.
            await super()._create_initial_response(for_reconnect)

    async def _seed(self, turns: list[genai_types.Content]) -> None:
        """Give a session the conversation so far. What is sent next completes the turn."""
        if self._session is not None and turns:
            try:
                await self._session.send_client_content(turns=[*turns], turn_complete=False)
            except Exception as error:  # noqa: BLE001 - the SDK may raise anything
                await self._handle_send_error(error)
        self._ready_for_realtime_input = True

    # Failures.

    async def _handle_send_error(self, error: Exception) -> None:
        if self._session is not None and not self._disconnecting:
            await self._connection_failed(failure_of(error))

    async def _connection_failed(self, failure: Failure) -> None:
        if self._is_over or self._is_restarting:
            return
        was_ready, self._session = self._session is not None, None
        logger.warning("model connection failed", problem=failure.words, was_ready=was_ready)
        if was_ready and self._is_answer_due:
            await self._push_event(TurnUnanswered("connection_lost"))
        if not was_ready and self._session_resumption_handle is not None and failure.code is not None:
            # The server answered, so what it refuses is this handle.
            self._resumption.refused()
            self._restart()
            return
        if was_ready and self._clock() - self._ready_at >= STABLE_SECONDS:
            self._failures = 0
        self._failures += 1
        is_last = self._failures > len(PAUSES_SECONDS)
        if not self._has_been_ready and (is_last or not failure.may_pass):
            await self._give_up(failure.before_the_call(), failure.category)
        elif is_last:
            await self._give_up(failure.during_the_call(), failure.category)
        else:
            self._restart(pause=PAUSES_SECONDS[self._failures - 1])

    @property
    def _is_restarting(self) -> bool:
        return self._restarting is not None and not self._restarting.done()

    def _restart(self, *, pause: float = 0.0, resumes: bool = True) -> None:
        """Reconnect, in a task of its own because the connection's task ends with the connection."""
        if self._is_over or self._is_restarting:
            return
        # Nothing more goes to the former connection: each sound sent there would be another error.
        self._session = None
        self._connection_ended()
        self._restarting = self.create_task(self._run_restart(pause, resumes=resumes), "reconnect")

    async def _run_restart(self, pause: float, *, resumes: bool) -> None:
        await self._close_response()
        await asyncio.sleep(pause)
        await self._reopen(self._resumption.usable if resumes else None)

    async def _reconnect(self) -> None:
        """Connect anew, because the context brings instructions or tools that the first session lacks."""
        if self._restarting is not None:
            await self.cancel_task(self._restarting)
            self._restarting = None
        self._connection_ended()
        # No session has been used, so the caller loses none.
        self._has_been_ready = False
        await self._reopen(None)

    async def _reopen(self, handle: str | None) -> None:
        completed, names = self._completed_tool_calls, self._tool_call_id_to_name
        await super()._disconnect()  # type: ignore[no-untyped-call]
        # Pipecat forgets them with the connection, and would send all of the call's results again.
        self._completed_tool_calls, self._tool_call_id_to_name = completed, names
        await self._connect(handle)

    async def _disconnect(self) -> None:
        """Disconnect for good, because the pipeline ends."""
        self._is_over = True
        self._connection_ended()
        if self._restarting is not None:
            await self.cancel_task(self._restarting)
            self._restarting = None
        await super()._disconnect()  # type: ignore[no-untyped-call]

    async def _give_up(self, error: BotError, category: ErrorCategory | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._session = None
        self._connection_ended()
        await self._close_response()
        await self.push_error(
            error.message, exception=error, category=category, force_treat_as_permanent=True
        )

    def _connection_ended(self) -> None:
        """Forget what concerned the connection."""
        self._move.cancel()

    async def _close_response(self) -> None:
        """End the answer that the model left open."""
        if self._bot_is_responding:
            self._bot_text_buffer = ""
            await self._set_bot_is_responding(responding=False)
            if not self._is_written:
                await self.push_frame(TTSStoppedFrame())
            await self.push_frame(LLMFullResponseEndFrame())

    @property
    def _is_written(self) -> bool:
        """True if the model writes its answers, for a text-to-speech service to speak."""
        settings: Any = self._settings
        return bool(settings.modalities == gemini_live.GeminiModalities.TEXT)

    # Leaving after a goAway.

    async def _handle_server_message(self, message: genai_types.LiveServerMessage) -> None:
        was_held = self._is_turn_held
        await super()._handle_server_message(message)
        # Nothing reads what Pipecat collects here, half a minute of speech being 1.4 MB.
        self._bot_audio_buffer.clear()
        content = message.server_content
        # Pipecat reads usage only if it shares a message with the end of a turn.
        if message.usage_metadata and not (content and content.turn_complete):
            await self._handle_msg_usage_metadata(message)
        if self._is_turn_over(message, was_held=was_held):
            self._quiet_at = self._clock()
            self._resumption.turn_completed()
        if message.go_away:
            left = _seconds(message.go_away.time_left)
            logger.info("model announces a reconnection", seconds_left=left)
            self._leave_by = self._clock() + max(0.0, left - LEAVE_SECONDS)

    @property
    def _is_turn_held(self) -> bool:
        """True while the model has completed a part of its turn and thinks about the next."""
        return self._turn_complete_pending_idle is not None

    def _is_turn_over(self, message: genai_types.LiveServerMessage, *, was_held: bool) -> bool:
        """Return whether a message, which Pipecat has handled, ended the model's turn."""
        content = message.server_content
        return not self._is_turn_held and (was_held or bool(content and content.turn_complete))

    def _handle_msg_resumption_update(self, message: genai_types.LiveServerMessage) -> None:
        update = message.session_resumption_update
        if update is not None and update.resumable and update.new_handle:
            self._resumption.offered(update.new_handle)

    def _move_on_if_quiet(self) -> None:
        """Move to another connection after a goAway, when all is quiet, with the latest turn's handle.

        A model that announces it on each connection is not followed at once.
        """
        if self._leave_by is None or not self._is_quiet or self._session is None:
            return
        now = self._clock()
        earliest = self._moved_at + STABLE_SECONDS
        if self._resumption.usable is None:
            earliest = max(earliest, min(self._leave_by, self._quiet_at + HANDLE_SECONDS))
        if now < earliest:
            self._move.start(earliest - now, self._move_on_if_quiet)
        else:
            self._moved_at = now
            self._restart()

    async def _push_event(self, event: ModelEvent) -> None:
        await self.push_frame(ModelEventFrame(event=event))


def _seconds(duration: str | None) -> float:
    """Return the seconds of a protobuf duration such as `9.5s`; 0 for none and for anything else."""
    try:
        seconds = float((duration or "").removesuffix("s"))
    except ValueError:
        return 0.0
    return min(3600.0, max(0.0, seconds)) if math.isfinite(seconds) else 0.0
