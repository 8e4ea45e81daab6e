"""Uvicorn's HTTP protocol, limiting what a client sends and holds before a route is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import httptools
import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from controller.core.errors import ControllerError
from controller.replicas.headers import TOKEN
from controller.web.errors import (
    HeadersTooLarge,
    MalformedRequest,
    RequestTimeout,
    TooManyConnections,
    UrlTooLong,
)
from controller.web.http.connections import Admission
from controller.web.http.limit_values import HttpLimits
from controller.web.http.lingering import LingeringTransport
from controller.web.middleware.browsers import HEADERS
from controller.web.problems import problem

RawHeaders = list[tuple[bytes, bytes]]

_SLICE: Final = 4096
"""Bytes that are parsed at a time. Most requests are smaller; a bad one is refused this soon."""

_REQUEST_LINE: Final = len("OPTIONS  HTTP/1.1\r\n")
"""A request line's bytes besides the URL."""

_FORWARDED: Final = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})
_SHOWN: Final = frozenset({b"authorization", TOKEN})
_NOTED: Final = _FORWARDED | _SHOWN | {b"host", b"transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Reception:
    """How a listener receives requests.

    Attributes:
        limits: for each request and connection.
        whose: returns which key or bot a request is from, by its URL and header fields; None for anybody.
        on_forwarded: called when a peer that is not a trusted proxy sends a forwarded address.
        on_refusal: called with the code of each refusal.
    """

    limits: HttpLimits
    whose: Callable[[bytes, RawHeaders], str | None]
    on_forwarded: Callable[[str], None]
    on_refusal: Callable[[str], None]


class _Part(Enum):
    """The part of a request that is being received."""

    NONE = auto()
    HEAD = auto()
    BODY = auto()


class _Stop(Exception):  # noqa: N818 - not an error: the parser doesn't pass it on
    """Makes the parser return at once."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Call `enforce_time_limits` a few times each second."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        admission: Admission,
        reception: Reception,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._admission = admission
        self._reception = reception
        self._limits = reception.limits
        self._part = _Part.NONE
        self._since = self.loop.time()
        self._has_asked = False
        self._is_over = False
        self._refusal: ControllerError | None = None
        self._answering: RequestResponseCycle | None = None
        """The request at work; `cycle` is the one received last, which may wait behind it."""
        self.url = b""
        self._fields = self._head_bytes = self._body_bytes = self._hosts = 0
        self._is_chunked = self._shows_token = False
        self._received = 0
        """Bytes of the head or the body as received: no callback reports a field that never ends."""
        self._ignored = 0
        self._unsent = 0
        self._stalled_since: float | None = None

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        lingering = LingeringTransport(transport, self.is_receiving, self._limits.linger_seconds, self.loop)
        super().connection_made(lingering)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)
        self._admission.release()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._ignore(len(data))
            return
        self._unset_keepalive_if_required()
        for start in range(0, len(data), _SLICE):
            self._parse(data[start : start + _SLICE])
            if self._is_over:
                self._ignore(len(data) - start)
                return

    def shutdown(self) -> None:
        if self._is_answering() or self.transport.get_write_buffer_size():
            super().shutdown()
        else:
            self.transport.abort()  # half a request gets no answer

    def is_receiving(self) -> bool:
        """Whether the client may still be sending bytes that are not read."""
        return self._part is not _Part.NONE or self._ignored > 0

    def stranger_waits_since(self) -> float | None:
        """Return since when this connection has been idle; None if it isn't, has shown a key or was given up.

        A proxy's connection is idle only with half a request: without any it waits for the next caller.
        """
        if not self._admission.is_open:
            return None
        if self._part is _Part.BODY:
            is_waiting = not self._admission.is_known and self._is_first_half()
        elif self._part is _Part.HEAD:
            is_waiting = not self._admission.is_known and not self._is_answering()
        else:
            is_waiting = self._admission.is_stranger and not self._is_answering()
        return self._since if is_waiting else None

    def give_up(self) -> None:
        """Close at once, to make room for another."""
        self._admission.release()
        self.transport.abort()

    def enforce_time_limits(self, now: float) -> None:
        """Close the connection, or refuse its request, if the client has taken too long."""
        self._abort_if_stalled(now)
        if self._is_over or self.transport.is_closing():
            return
        seconds = now - self._since
        if self._part is _Part.HEAD:
            if seconds > self._limits.head_seconds:
                self._refuse(RequestTimeout("header", self._limits.head_seconds))
        elif self._part is _Part.BODY:
            if self.flow.read_paused:
                self._since = now  # we are the ones who keep the client waiting
            elif seconds > self._limits.body_seconds:
                self._refuse(RequestTimeout("body", self._limits.body_seconds))
        elif not self._is_answering() and seconds > self._idle_seconds():
            self.transport.close()

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        if len(self.pipeline) + self._is_answering() >= self._limits.pipelined:
            raise _Stop
        super().on_message_begin()
        if self._part is _Part.NONE:
            self._begin_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._stop_with(UrlTooLong(self._limits.url_bytes))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        if self._fields > self._limits.fields or self._head_bytes > self._limits.head_bytes:
            self._stop_with(self._headers_too_large())
        # A trailer could overrule what a proxy in front of us has checked: it is counted, and dropped.
        if self._part is _Part.BODY:
            return
        super().on_header(name, value)
        if (name := self.headers[-1][0]) in _NOTED:
            self._note(name, value)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        is_plain = self._hosts <= 1 and (version == "1.1" or (version == "1.0" and not self._is_chunked))
        if not is_plain or (self._hosts == 0 and version == "1.1"):
            self._stop_with(MalformedRequest())
        if self._shows_token and not self._admission.is_known:
            self._identify()
        super().on_headers_complete()
        self._part = _Part.BODY
        self._has_asked = True
        self._since = self.loop.time()
        self._received = self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)
        if self._body_bytes > self._limits.body_bytes:
            raise _Stop  # the application has enough of it to answer that it is too large

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._part = _Part.NONE
        if not self.parser.should_keep_alive() or self.parser.should_upgrade():
            raise _Stop  # whatever follows is not a request

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()
        if self._part is _Part.BODY and self.cycle.response_complete:
            self._is_over = True
            self.transport.close()

    # --- limits ---

    def _parse(self, data: bytes) -> None:
        if self._part is _Part.NONE:
            self._begin_head()
        self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._leave_after_answer()
        except httptools.HttpParserCallbackError as error:
            if self._refusal is None and isinstance(error.__context__, _Stop):
                self._leave_after_answer()
            else:
                self._refuse(self._refusal or MalformedRequest())
        except httptools.HttpParserError:
            self._refuse(MalformedRequest())
        else:
            self._check_size()

    def _begin_head(self) -> None:
        self._part = _Part.HEAD
        self._since = self.loop.time()
        self.url = b""
        self._received = self._fields = self._head_bytes = self._hosts = 0
        self._is_chunked = self._shows_token = False

    def _check_size(self) -> None:
        limits = self._limits
        if self._part is _Part.HEAD:
            if self._received - len(self.url) - _REQUEST_LINE > limits.head_bytes:
                self._refuse(self._headers_too_large())
        elif self._part is _Part.BODY:
            framing = self._received - self._body_bytes
            if framing > limits.framing_bytes + limits.framing_per_byte * self._body_bytes:
                self._refuse(self._headers_too_large())

    def _note(self, name: bytes, value: bytes) -> None:
        """Note fields that a proxy in front of us may understand differently, and who sent them."""
        if name == b"host":
            self._hosts += 1
        elif name in _SHOWN:
            self._shows_token = True
        elif name == b"transfer-encoding":
            self._is_chunked = True
            if value.strip().lower() != b"chunked":
                self._stop_with(MalformedRequest())
        elif not self._admission.is_trusted and self.client is not None:
            self._reception.on_forwarded(self.client[0])

    def _identify(self) -> None:
        whom = self._reception.whose(self.url, self.headers)
        if whom is not None:
            try:
                self._admission.identify(whom)
            except TooManyConnections as error:
                self._stop_with(error)

    def _stop_with(self, error: ControllerError) -> None:
        self._refusal = error
        raise _Stop

    def _headers_too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(self._limits.head_bytes, self._limits.fields)

    def _idle_seconds(self) -> float:
        if not self._has_asked:
            return self._limits.head_seconds
        is_stranger = self._admission.is_stranger
        return self._limits.stranger_idle_seconds if is_stranger else self._limits.idle_seconds

    def _abort_if_stalled(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0:
            self._stalled_since = None
        elif self._stalled_since is None or unsent < self._unsent:
            self._stalled_since = now
        elif now - self._stalled_since > self._limits.stall_seconds:
            self.transport.abort()
        self._unsent = unsent

    def _ignore(self, size: int) -> None:
        self._ignored += size
        if self._ignored > self._limits.ignored_bytes and not self.flow.read_paused:
            # The kernel stops the client. One that also reads nothing is noticed by what remains unsent.
            self.flow.pause_reading()

    # --- endings ---

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self._has_asked and not self.cycle.response_complete

    def _is_first_half(self) -> bool:
        """Whether the only unanswered request is the one whose body is being received."""
        return not self.pipeline and not self.cycle.response_started

    def _leave_after_answer(self) -> None:
        """Accept no more requests, and close once the last accepted one has been answered."""
        self._is_over = True
        if self._is_answering():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _refuse(self, error: ControllerError) -> None:
        """Answer the request being received with an error, if possible, and close."""
        self._reception.on_refusal(error.code)
        if self._part is not _Part.BODY and self._is_answering():
            self._leave_after_answer()
            return
        self._is_over = True
        if self._part is _Part.BODY:
            is_first = self._is_first_half()
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if not is_first:
                self.transport.close()
                return
        self.transport.write(answer_in_bytes(error, self.server_state.default_headers))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: anybody could fill the log."""


def answer_in_bytes(error: ControllerError, more_headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return a problem document as a complete answer that closes the connection."""
    document = problem(error, HEADERS | {"Connection": "close"})
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in (*more_headers, *document.raw_headers)]
    return b"\r\n".join([*lines, b"", document.body])
