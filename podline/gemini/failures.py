"""The bot's errors for exceptions of the Google SDK and its socket."""

from typing import TYPE_CHECKING, Final

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from podline.errors import BotError, ModelRefused, ModelUnreachable
from podline.extras import optional

if TYPE_CHECKING:
    from google.genai import errors as genai_errors
else:
    genai_errors = optional("google", "google.genai.errors")


CONNECTION_ERRORS: Final = (genai_errors.APIError, OSError, TypeError, ValueError, WebSocketException)
"""The exceptions of the Google SDK and its socket when a connection can't be made or breaks.

The SDK raises `TypeError` for a message that has only unknown fields, and `ValueError` if it isn't JSON.
"""

# Close codes with which Gemini Live refuses a session: RFC 6455, section 7.4.1
# (1007 and 1008 for key, model and setup, 1011 for quota and internal errors).
_REFUSALS: Final = frozenset({1003, 1007, 1008, 1011})


def why_no_session(error: Exception) -> BotError:
    """Return the error for a session that was refused, or for a server that can't be reached."""
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
            f"Gemini refused the session: {reason.rstrip('.') or code}; "
            "check GOOGLE_API_KEY, its quota and the model."
        )
    return ModelUnreachable(
        f"Gemini could not be reached ({cause(error)}); check the network and GOOGLE_GEMINI_BASE_URL."
    )


def _close(error: Exception) -> tuple[int | None, str]:
    """Return close code and reason, from the socket's exception or the SDK's."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code, error.rcvd.reason
    if isinstance(error, genai_errors.APIError):
        return error.code, str(error.details)
    return None, ""


def cause(error: Exception) -> str:
    """Describe the error in a few words, without quoting the conversation."""
    code, reason = _close(error)
    if code is not None:
        return f"code {code}: {reason}" if reason else f"code {code}"
    if isinstance(error, (TypeError, ValueError)):
        return "an unreadable answer"  # its text would quote what was said
    return str(error) or type(error).__name__
