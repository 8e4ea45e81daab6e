# ruff: noqa: N818 - each is named for what happened; the base class says that it is an error
"""Errors about requests and connections, independent of any session.

* ControllerError
  - MalformedRequest     400
  - OriginNotAllowed     403
  - NotFound             404
  - MethodNotAllowed     405
  - RequestTimeout       408
  - BodyTooLarge         413
  - UrlTooLong           414
  - UnsupportedMediaType 415
  - TooManyConnections   429
  - HeadersTooLarge      431
  - InternalError        500
  - NotSupported         501
  - ConnectionsExhausted 503
  - TooManyOffers        503
"""

from __future__ import annotations

from typing import Final

from controller.core.errors import OF_THE_APP, ControllerError
from podline.contract.text import printable

HIDDEN_ORIGIN: Final = "null"
"""What browsers send for a page without an origin. Any site can have such a page, so it is never listed."""

MAX_ORIGIN_CHARACTERS: Final = 120


class NotFound(ControllerError):
    """There is nothing at this address."""

    status, code, title = 404, "not_found", "Not found"
    caller_message = OF_THE_APP

    def __init__(self) -> None:
        super().__init__(
            "There is nothing at this address. Check the path: the API's reference lists every path."
        )


class OriginNotAllowed(ControllerError):
    """The request comes from a page of another site, which the controller doesn't allow."""

    status, code, title = 403, "origin_not_allowed", "Pages of this origin may not do this"
    caller_message = "This page is not allowed to make calls here; please tell the people who run it."

    def __init__(self, origin: str | None, *, has_keys: bool) -> None:
        """`origin` is the page's, if its browser says so."""
        if origin == HIDDEN_ORIGIN:
            super().__init__(
                "The page is a file or in a sandboxed frame, so its browser doesn't say whose it is: serve "
                "it from a web server whose origin is in PODLINE_CORS_ORIGINS."
            )
            return
        page = "its origin" if origin is None else printable(origin, MAX_ORIGIN_CHARACTERS)
        instead = "" if has_keys else ", or set PODLINE_KEYS_FILE"
        super().__init__(
            f"The page is another site's: add {page} to PODLINE_CORS_ORIGINS{instead}, and start the "
            "controller again."
        )


class MethodNotAllowed(ControllerError):
    """This address doesn't support the method."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"
    caller_message = OF_THE_APP

    def __init__(self) -> None:
        super().__init__("This address does not support that method. The Allow header lists those it does.")


class MalformedRequest(ControllerError):
    """The bytes are not a valid HTTP request, or are one that two parsers may understand differently."""

    status, code, title = 400, "malformed_request", "Malformed HTTP request"
    caller_message = OF_THE_APP

    def __init__(self) -> None:
        super().__init__(
            "Send a valid HTTP/1.1 request: one Host header, at most one Content-Length, "
            "and no Transfer-Encoding other than chunked."
        )


class RequestTimeout(ControllerError):
    """The request did not arrive in time."""

    status, code, title = 408, "request_timeout", "The request took too long to arrive"
    caller_message = "Your connection is slow or was interrupted; please try again."

    def __init__(self, part: str, seconds: float) -> None:
        super().__init__(f"The {part} did not arrive within {seconds:g} seconds. Send the request again.")


class UrlTooLong(ControllerError):
    """The URL is longer than any request needs."""

    status, code, title = 414, "url_too_long", "The URL is too long"
    caller_message = OF_THE_APP

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The URL is longer than {limit_bytes // 1024} KB. Shorten the query.")


class HeadersTooLarge(ControllerError):
    """There are more header fields, or larger ones, than any request needs."""

    status, code, title = 431, "headers_too_large", "The header fields are too large"
    caller_message = OF_THE_APP

    def __init__(self, limit_bytes: int, limit_fields: int) -> None:
        super().__init__(
            f"The request has more than {limit_fields} header fields, "
            f"or more than {limit_bytes // 1024} KB of them. Send fewer."
        )


class TooManyConnections(ControllerError):
    """The client address has the maximum number of connections without a key."""

    status, code, title, retry_after = 429, "too_many_connections", "Too many connections", 10
    caller_message = (
        "Too many pages of this service are open on your network; please close some and try again."
    )

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your address already has {limit} connections without a valid key. Close some of them first; "
            "the operator can raise PODLINE_CONNECTIONS_PER_ADDRESS."
        )

    @classmethod
    def of_bot(cls, limit: int) -> TooManyConnections:
        error = cls(limit)
        error.args = (
            f"This bot has {limit} connections, more than any bot needs. Close some of them first.",
        )
        return error


class ConnectionsExhausted(ControllerError):
    """All connections of the controller are in use."""

    status, code, title, retry_after = 503, "connections_exhausted", "No connections left", 10
    caller_message = "All lines are busy; please call again in a minute."

    def __init__(self) -> None:
        super().__init__(
            "All connections of the controller are in use. Try again in a few seconds; "
            "the operator can raise PODLINE_MAX_CONNECTIONS and the open-file limit."
        )


class BodyTooLarge(ControllerError):
    """The body is larger than any request needs."""

    status, code, title = 413, "body_too_large", "The body is too large"
    caller_message = OF_THE_APP

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 1024} KB. Send less.")


class UnsupportedMediaType(ControllerError):
    """The body is not declared as JSON.

    A page of another site can send other types without a CORS preflight, but not this one.
    """

    status, code, title = 415, "unsupported_media_type", "The body must be JSON"
    caller_message = OF_THE_APP

    def __init__(self) -> None:
        super().__init__("Send the body as JSON, with the header `Content-Type: application/json`.")


class InternalError(ControllerError):
    """The controller itself failed."""

    status, code, title = 500, "internal_error", "Internal error"
    caller_message = "Something went wrong on our side; please try again."

    def __init__(self) -> None:
        super().__init__("The controller failed. See its log for details.")


class NotSupported(ControllerError):
    """Podline doesn't have this feature of Pipecat Cloud."""

    status, code, title = 501, "not_supported", "Podline does not have this"
    caller_message = OF_THE_APP


class TooManyOffers(ControllerError):
    """Too many of the session's candidates are waiting for its bot."""

    status, code, title, retry_after = 503, "too_many_offers", "Too many candidates are waiting", 2
    caller_message = "Connecting takes longer than usual; please try again in a few seconds."

    def __init__(self) -> None:
        super().__init__(
            "Too many candidates of this session are waiting for its bot. Try again in a few seconds."
        )
