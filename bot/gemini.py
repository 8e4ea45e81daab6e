"""The Gemini Live service, made to say when it cannot hear, speak or be reached.

Pipecat's own keeps a bot running on mute when the first connection fails or too many follow each other.
"""

from collections.abc import Callable
from typing import Any, Final

from google.genai.errors import APIError
from google.genai.live import AsyncSession
from google.genai.types import LiveConnectConfig, LiveServerMessage
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService, GeminiVADParams
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from bot.errors import BotError, ModelLost, ModelRefused, ModelUnreachable
from bot.persona import Persona

# What the Google SDK and its socket raise when a connection can't be made or breaks.
_CONNECTION_ERRORS: Final = (APIError, OSError, ValueError, WebSocketException)

# Close codes with which Gemini Live turns a session down: RFC 6455, section 7.4.1
# (1007 and 1008 for key, model and setup, 1011 for quota and internal errors).
_REFUSALS: Final = frozenset({1003, 1007, 1008, 1011})


class GeminiLive(GeminiLiveLLMService):
    """Speaks and hears through one Gemini Live session.

    Args:
        on_lost: Called once when the session can't be had or is lost for good.
        on_reconnected: Called when a lost connection has been made again.
        options: As for Pipecat's service.
    """

    def __init__(
        self, *, on_lost: Callable[[BotError], None], on_reconnected: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(**options)
        self._on_lost = on_lost
        self._on_reconnected = on_reconnected
        self._has_been_ready = False

    async def _connection_task_handler(self, config: LiveConnectConfig) -> None:
        try:
            await super()._connection_task_handler(config)
        except _CONNECTION_ERRORS as error:
            if not self._has_been_ready:
                await self._give_up(why_no_session(error))
            elif await self._handle_connection_error(error):
                await self._reconnect()  # type: ignore[no-untyped-call]

    async def _handle_session_ready(self, session: AsyncSession) -> None:
        if self._has_been_ready:
            self._on_reconnected()
        self._has_been_ready = True
        await super()._handle_session_ready(session)

    async def _handle_connection_error(self, error: Exception) -> bool:
        should_reconnect = await super()._handle_connection_error(error)
        if not should_reconnect:
            await self._give_up(
                ModelLost(
                    f"The connection to Gemini broke several times in a row ({_cause(error)}); "
                    "the caller can call again."
                )
            )
        return bool(should_reconnect)

    async def _handle_server_message(self, message: LiveServerMessage) -> None:
        await super()._handle_server_message(message)
        # Pipecat reads usage only where it shares a message with the end of a turn.
        content = message.server_content
        if message.usage_metadata and not (content and content.turn_complete):
            await self._handle_msg_usage_metadata(message)

    async def _give_up(self, error: BotError) -> None:
        self._session = None
        self._on_lost(error)
        await self.push_error(error.message, force_treat_as_permanent=True)


def gemini_live(
    *,
    api_key: str,
    persona: Persona,
    tools: list[Any],
    tool_timeout_seconds: float,
    on_lost: Callable[[BotError], None],
    on_reconnected: Callable[[], None],
) -> GeminiLive:
    """The service with the persona's voice, its turns driven by our own voice activity detection."""
    return GeminiLive(
        api_key=api_key,
        tools=tools,
        settings=GeminiLiveLLMService.Settings(
            system_instruction=persona.instructions,
            voice=persona.voice,
            language=persona.language,
            vad=GeminiVADParams(disabled=True),
        ),
        function_call_timeout_secs=tool_timeout_seconds,
        on_lost=on_lost,
        on_reconnected=on_reconnected,
    )


def why_no_session(error: Exception) -> BotError:
    """Tell a session turned down from a server that can't be reached."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status < 500 or status == 503:
            return ModelRefused(
                f"Gemini refused the connection with status {status}; check GOOGLE_API_KEY and its quota."
            )
        return ModelUnreachable(f"Gemini answered with status {status}; try again later.")
    code, reason = _close(error)
    if code in _REFUSALS or (code is not None and 400 <= code < 500):
        return ModelRefused(
            f"Gemini refused the session: {reason or code}; check GOOGLE_API_KEY, its quota and the model."
        )
    return ModelUnreachable(
        f"Gemini could not be reached ({_cause(error)}); check the network and GOOGLE_GEMINI_BASE_URL."
    )


def _close(error: Exception) -> tuple[int | None, str]:
    """Close code and reason, from the socket's exception or the SDK's."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code, error.rcvd.reason
    if isinstance(error, APIError):
        return error.code, str(error.details)
    return None, ""


def _cause(error: Exception) -> str:
    code, reason = _close(error)
    if code is not None:
        return f"code {code}: {reason}" if reason else f"code {code}"
    return str(error) or type(error).__name__
