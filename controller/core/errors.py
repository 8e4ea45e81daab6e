# ruff: noqa: N818 - each is named for what happened, its base says that it is an error
"""Errors a caller can act on: each has a status, a stable code, and a sentence that says what to do.

* ControllerError
  - MalformedRequest     400
  - InvalidRequest       422
  - Unauthorized         401
  - Forbidden            403
  - NotFound             404
  - SessionNotFound      404
  - MethodNotAllowed     405
  - SessionConflict      409
  - RequestTimeout       408
  - OfferRefused         409
  - OfferSuperseded      409
  - LaunchEnded          409
  - SessionEnded         410
  - BodyTooLarge         413
  - UrlTooLong           414
  - UnsupportedMediaType 415
  - CapacityReached      429
  - UserLimitReached     429
  - RateLimited          429
  - TooManyConnections   429
  - HeadersTooLarge      431
  - InternalError        500
  - RuntimeUnavailable   503
  - UnknownOutcome       503
  - RoomsUnavailable     503
  - ModelUnavailable     503
  - BotUnavailable       503
  - TooManyOffers        503
  - ConnectionsExhausted 503
  - ShuttingDown         503
"""

from __future__ import annotations

from math import ceil
from typing import ClassVar


class ControllerError(Exception):
    """Base of all errors that become an answer.

    Attributes:
        status: the HTTP status.
        code: the stable name a program may compare.
        title: what kind of thing went wrong, the same for each error of its code.
        retry_after: seconds after which asking again may help; None where it will not.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    retry_after: int | None = None

    @property
    def detail(self) -> str:
        return str(self)


class InvalidRequest(ControllerError):
    """The request says something that cannot be done as it stands."""

    status, code, title = 422, "invalid_request", "The request is not valid"


class Unauthorized(ControllerError):
    """There is no key, or one that nobody knows."""

    status, code, title = 401, "unauthorized", "A valid key is needed"


class Forbidden(ControllerError):
    """The key is known and does not open this."""

    status, code, title = 403, "forbidden", "This is not allowed"


class NotFound(ControllerError):
    """There is nothing at this address."""

    status, code, title = 404, "not_found", "Not found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address. The API is described at /openapi.json.")


class SessionNotFound(ControllerError):
    """No session of this id is running or still kept."""

    status, code, title = 404, "session_not_found", "No such session"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"There is no session {session_id!r}: it was never started, or it ended too long ago to be kept."
        )


class MethodNotAllowed(ControllerError):
    """There is something at this address, and this is not what can be done with it."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"

    def __init__(self) -> None:
        super().__init__("This address does not know that method. The Allow header lists those it does.")


class SessionConflict(ControllerError):
    """Another session is in the way: one of the same id, or one whose bot is in the same room."""

    status, code, title = 409, "session_conflict", "Another session is in the way"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id!r} was started with a different request. "
            "Repeat that request unchanged, or choose another session_id."
        )

    @classmethod
    def by_name(cls, session_id: str, job: str, namespace: str) -> SessionConflict:
        """Where bots run there is a Job of another origin under the session's name."""
        error = cls(session_id)
        detail = (
            f"The Job {job} in namespace {namespace} bears the name of session {session_id!r} and is not "
            "its own. Choose another session_id, or delete it."
        )
        error.args = (detail,)
        return error

    @classmethod
    def by_room(cls, session_id: str) -> SessionConflict:
        """The caller has brought a room in which there is a bot already."""
        error = cls(session_id)
        detail = (
            f"The bot of session {session_id!r} is in this room. "
            "End that session first, or bring another room."
        )
        error.args = (detail,)
        return error


class OfferRefused(ControllerError):
    """The bot does not take this caller, in the bot's own words."""

    status, code, title = 409, "offer_refused", "The bot refused the offer"


class OfferSuperseded(ControllerError):
    """The caller's next offer has taken this one's place."""

    status, code, title = 409, "offer_superseded", "Another offer has taken this one's place"

    def __init__(self) -> None:
        super().__init__(
            "The caller of this session has made another offer; the latest one counts. Wait for its answer."
        )


class LaunchEnded(ControllerError):
    """A bot speaks for a launch that is over."""

    status, code, title = 409, "launch_ended", "This launch has ended"

    def __init__(self) -> None:
        super().__init__("This launch has ended. Leave: nothing more is taken or handed out.")


class SessionEnded(ControllerError):
    """There is no bot any more to hand a message to."""

    status, code, title = 410, "session_ended", "The session has ended"

    @classmethod
    def by(cls, message: str) -> SessionEnded:
        """With the sentence that says why."""
        return cls(f"The session has ended. {message}")


class MalformedRequest(ControllerError):
    """The bytes that came are no HTTP request, or one that two readers may understand differently."""

    status, code, title = 400, "malformed_request", "This is not a valid HTTP request"

    def __init__(self) -> None:
        super().__init__(
            "Send a valid HTTP/1.1 request: one Host header, at most one Content-Length, "
            "and no Transfer-Encoding but chunked."
        )


class RequestTimeout(ControllerError):
    """The request did not arrive in time."""

    status, code, title = 408, "request_timeout", "The request took too long to arrive"

    def __init__(self, part: str, seconds: float) -> None:
        super().__init__(f"The {part} did not arrive within {seconds:g} seconds. Send the request again.")


class UrlTooLong(ControllerError):
    """The URL is longer than any request needs."""

    status, code, title = 414, "url_too_long", "The URL is too long"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The URL is longer than {limit_bytes // 1024} KB. Send less in the query.")


class HeadersTooLarge(ControllerError):
    """The header fields are more, or larger, than any request needs."""

    status, code, title = 431, "headers_too_large", "The header fields are too large"

    def __init__(self, limit_bytes: int, limit_fields: int) -> None:
        super().__init__(
            f"The request has more than {limit_fields} header fields or {limit_bytes // 1024} KB of them. "
            "Send fewer."
        )


class TooManyConnections(ControllerError):
    """One client address holds as many connections as it may without a key."""

    status, code, title, retry_after = 429, "too_many_connections", "Too many connections", 10

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your address holds {limit} connections that have shown no valid key. Close some of them first; "
            "the operator can raise PODLINE_CONNECTIONS_PER_ADDRESS."
        )

    @classmethod
    def of_bot(cls, limit: int) -> TooManyConnections:
        error = cls(limit)
        error.args = (f"This bot holds {limit} connections, more than any needs. Close some of them first.",)
        return error


class ConnectionsExhausted(ControllerError):
    """All connections that the controller can hold are in use."""

    status, code, title, retry_after = 503, "connections_exhausted", "No connection is left", 10

    def __init__(self) -> None:
        super().__init__(
            "The controller holds as many connections as it can. Try again in a few seconds; "
            "the operator can raise PODLINE_MAX_CONNECTIONS and the limit of open files."
        )


class BodyTooLarge(ControllerError):
    """The body is larger than any request needs."""

    status, code, title = 413, "body_too_large", "The body is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 1024} KB. Send less.")


class UnsupportedMediaType(ControllerError):
    """The body does not say that it is JSON.

    A page of another site can send other types without asking the browser's leave, but not this one.
    """

    status, code, title = 415, "unsupported_media_type", "The body must be JSON"

    def __init__(self) -> None:
        super().__init__("Send the body as JSON, with the header `Content-Type: application/json`.")


class CapacityReached(ControllerError):
    """All places are taken."""

    status, code, title, retry_after = 429, "capacity_reached", "All places are taken", 10

    def __init__(self, capacity: int) -> None:
        super().__init__(
            f"All {capacity} places are taken. Try again when a session has ended, or raise PODLINE_CAPACITY."
        )


class UserLimitReached(ControllerError):
    """This user has as many sessions as one may have."""

    status, code, title, retry_after = 429, "user_limit_reached", "This user has no place left", 10

    def __init__(self, limit: int) -> None:
        super().__init__(f"This user already has {limit} sessions. End one of them first.")

    @classmethod
    def by_address(cls, limit: int) -> UserLimitReached:
        """Callers without a name share a limit with all others at their address."""
        error = cls(limit)
        detail = (
            f"Callers without a name have {limit} sessions from your address already. End one of them first, "
            "or start with a key of scope 'start' or a signed identity. "
            "The limit is PODLINE_ANONYMOUS_SESSIONS_PER_ADDRESS."
        )
        error.args = (detail,)
        return error


class RateLimited(ControllerError):
    """One client asks too often."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, wait_seconds: float) -> None:
        self.retry_after = ceil(wait_seconds)
        super().__init__(f"Too many requests came from you. Try again in {self.retry_after} seconds.")


class InternalError(ControllerError):
    """The controller itself failed."""

    status, code, title = 500, "internal_error", "Internal error"

    def __init__(self) -> None:
        super().__init__("The controller failed. Its log holds the details.")


class RuntimeUnavailable(ControllerError):
    """The place where bots run did not take the launch."""

    status, code, title, retry_after = 503, "runtime_unavailable", "No bot could be launched", 5


class UnknownOutcome(ControllerError):
    """The runtime did not answer in time, so the bot may or may not have been launched.

    A caller sees the code of `RuntimeUnavailable`, because the same retry helps. In code the two must not be
    mistaken: after this error there may be a bot, so the capacity stays reserved.
    """

    status, code, title, retry_after = 503, "runtime_unavailable", "No bot could be launched", 5

    def __init__(self, why: str = "") -> None:
        sentences = (
            "The runtime did not confirm in time whether the bot was launched. "
            "Repeat the request with the same session_id to adopt the launch; otherwise it is stopped."
        )
        super().__init__(f"{sentences} {why}".rstrip())


class RoomsUnavailable(ControllerError):
    """The provider of rooms did not make one."""

    status, code, title, retry_after = 503, "rooms_unavailable", "No room could be made", 5


class ModelUnavailable(ControllerError):
    """The model's provider issued no credentials for a bot."""

    status, code, title, retry_after = 503, "model_unavailable", "The model can't be used", 5

    def __init__(self, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        if retry_after is not None:
            self.retry_after = retry_after


class BotUnavailable(ControllerError):
    """The bot is there and did not answer in time."""

    status, code, title, retry_after = 503, "bot_unavailable", "The bot did not answer", 2

    def __init__(self) -> None:
        super().__init__("The bot did not answer in time. Try again, or start another session.")


class TooManyOffers(ControllerError):
    """More of a session's candidates wait for its bot than are held."""

    status, code, title, retry_after = 503, "too_many_offers", "Too many candidates are waiting", 2

    def __init__(self) -> None:
        super().__init__("Too many candidates of this session wait for its bot. Try again in a few seconds.")


class ShuttingDown(ControllerError):
    """The controller is about to leave and launches nothing more."""

    status, code, title, retry_after = 503, "shutting_down", "The controller is shutting down", 5

    def __init__(self) -> None:
        super().__init__("The controller is shutting down. Try again in a few seconds.")
