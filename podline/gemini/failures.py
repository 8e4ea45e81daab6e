"""The meaning of exceptions of the Google SDK and its socket, and the errors to end a call with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pipecat.utils.errors import ErrorCategory
from websockets.exceptions import ConnectionClosed, InvalidStatus

from podline.errors import BotError, ModelLost, ModelRefused, ModelUnreachable
from podline.extras import optional

if TYPE_CHECKING:
    from google.genai import errors as genai_errors
else:
    genai_errors = optional("google", "google.genai.errors")


# Close codes of RFC 6455, section 7.4.1, and its registry: 1003, 1007 and 1008 for key, model and setup;
# 1011 to 1013 for quota, overload and the server's own errors.
_REFUSALS: Final = frozenset({1003, 1007, 1008})
_QUOTA_STATUS: Final = 429
_OVERLOAD_STATUS: Final = 503
_OVERLOADS: Final = frozenset({1011, 1012, 1013})
_QUOTA_WORDS: Final = ("quota", "resource_exhausted", "rate limit")
_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Failure:
    """Why a connection to Gemini could not be made, or broke.

    Attributes:
        kind: `refused` for good; `quota` and `overloaded` may pass; `unreachable` means no usable answer.
        words: What happened, in a few words that quote nothing of the conversation.
        code: The close code or status that was received or sent; None if there was neither.
    """

    kind: Literal["refused", "quota", "overloaded", "unreachable"]
    words: str
    code: int | None = None

    @property
    def may_pass(self) -> bool:
        """True if Gemini answered that it can't serve the bot now, so that another attempt is worthwhile."""
        return self.kind in ("quota", "overloaded")

    @property
    def category(self) -> ErrorCategory | None:
        """Pipecat's name for a used-up quota, by which the controller learns of it; None for all else."""
        return ErrorCategory.QUOTA if self.kind == "quota" else None

    def before_the_call(self) -> BotError:
        """Return the error for a call that never had a session with the model."""
        match self.kind:
            case "refused":
                return ModelRefused(
                    f"Gemini refused the session ({self.words}); check GOOGLE_API_KEY and the model."
                )
            case "unreachable":
                return ModelUnreachable(f"Gemini could not be reached ({self.words}); {self._advice}.")
            case _:
                return ModelUnreachable(f"{self._state} ({self.words}); {self._advice}.")

    def during_the_call(self) -> ModelLost:
        """Return the error for a call whose connections broke one after another."""
        if self.may_pass:
            return ModelLost(f"The connection to Gemini broke: {self._state} ({self.words}); {self._advice}.")
        return ModelLost(
            f"The connection to Gemini broke several times in a row ({self.words}); {self._advice}."
        )

    @property
    def _state(self) -> str:
        return "Gemini's quota is used up" if self.kind == "quota" else "Gemini is overloaded or failing"

    @property
    def _advice(self) -> str:
        match self.kind:
            case "refused":
                return "check GOOGLE_API_KEY and the model"
            case "quota":
                return "raise the quota of GOOGLE_API_KEY's project, or allow fewer calls at once"
            case "overloaded":
                return "call again in a minute; if it lasts, see Google's status page"
            case "unreachable":
                return "check the network and GOOGLE_GEMINI_BASE_URL, then call again"


def failure_of(error: Exception) -> Failure:
    """Return what this exception means."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return Failure(_kind_of_status(status), f"status {status}", status)
    for cause in _causes(error):
        if isinstance(cause, ConnectionClosed) and (cause.rcvd or cause.sent):
            return _of_close(cause)
    if isinstance(error, genai_errors.APIError):
        reason = _cut(str(error.details or ""))
        return Failure(_kind_of_code(error.code, reason), _with_code(error.code, reason), error.code)
    return Failure("unreachable", _words_for(error))


def _words_for(error: Exception) -> str:
    if isinstance(error, (TypeError, ValueError)):
        # The SDK raises TypeError for a message of unknown fields, ValueError for one that isn't JSON. Their
        # texts would quote what was said.
        return "an unreadable answer"
    if isinstance(error, TimeoutError):
        return _cut(str(error)) or "no answer in time"
    return (_cut(str(error)) if isinstance(error, OSError) else "") or type(error).__name__


def _of_close(closed: ConnectionClosed) -> Failure:
    """Return what a close frame says: the server's, or our own, which has the reason why this side closed."""
    if closed.rcvd is not None and closed.rcvd_then_sent is not False:
        code, reason = closed.rcvd.code, _cut(closed.rcvd.reason)
        return Failure(_kind_of_code(code, reason), _with_code(code, reason), code)
    ours = closed.sent or closed.rcvd
    if ours is None:
        return Failure("unreachable", "the connection broke")
    return Failure(
        "unreachable", f"closed by the bot with {_with_code(ours.code, _cut(ours.reason))}", ours.code
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception and those that caused it: the SDK hides the socket's own behind another."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind_of_status(status: int) -> Literal["refused", "quota", "overloaded", "unreachable"]:
    if status == _QUOTA_STATUS:
        return "quota"
    if status == _OVERLOAD_STATUS:
        return "overloaded"
    return "refused" if status < 500 else "unreachable"


def _kind_of_code(code: int | None, reason: str) -> Literal["refused", "quota", "overloaded", "unreachable"]:
    if any(word in reason.lower() for word in _QUOTA_WORDS):
        return "quota"
    if code is None:
        return "unreachable"
    if code in _REFUSALS:
        return "refused"
    if code in _OVERLOADS:
        return "overloaded"
    # An HTTP status as the SDK passes it on.
    return _kind_of_status(code) if 400 <= code < 600 else "unreachable"


def _with_code(code: int | None, reason: str) -> str:
    return f"code {code}: {reason}" if reason else f"code {code}"


def _cut(words: str) -> str:
    return " ".join(words.split())[:_MOST_CHARACTERS].rstrip(" .")
