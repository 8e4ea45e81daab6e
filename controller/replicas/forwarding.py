"""Passes requests on to the controller that leads, and its answers back, piece by piece."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from controller.replicas.headers import CLIENT, LISTENER, OF_ITS_OWN, PREFIX, REFUSED, SCHEME, TOKEN

_MOST_CONNECTIONS: Final = 16_384
"""More than the listeners admit: each of their connections has one request under way."""

_CONNECT_SECONDS: Final = 1.0

_CHECK_SECONDS: Final = 2.0
_MOMENT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 15.0
"""Well below the time after which the other side closes: see HttpLimits."""

_MOST_ADDRESS_CHARACTERS: Final = 64
"""What is longer is no address. A proxy may say anything, and a header has its limit."""

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_SENT: Final = _HOP_BY_HOP | {b"content-length", b"expect"}
"""The body is complete: its length is known, and nobody waits for leave to send it."""

_NOT_RETURNED: Final = _HOP_BY_HOP | {b"date"}
"""Each server adds its own date."""

_WITHOUT_BODY: Final = (204, 304)
_NOT_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add if the client has left it out."""

_END: Final[Message] = {"type": "http.response.body", "body": b"", "more_body": False}

_VANISHED: Final = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 4000}
"""A machine that is gone without a word is noticed after about 4 s, also by a stream that only waits. The
last is in milliseconds. Not all systems have all of them."""

Headers = Iterable[tuple[bytes, bytes]]


class ForwardingError(Exception):
    """Base of all errors about requests that were passed on."""


class LeaderUnreachable(ForwardingError):  # noqa: N818 - named for what happened
    """There is no answer, and nothing of one has been sent to the client."""

    def __init__(self, address: str, cause: str, *, was_sent: bool) -> None:
        """`was_sent` is False if the request has certainly not been served, and can be sent again."""
        super().__init__(f"The controller at {address} did not answer: {cause}")
        self.was_sent = was_sent


class AnswerBroken(ForwardingError):  # noqa: N818 - likewise
    """The answer broke off after a part of it was sent.

    Let it reach the server, or return without sending more: either closes the client's connection, which
    shows the client that the answer is not complete.
    """


@dataclass(slots=True)
class _Progress:
    """How far one request has come."""

    is_sent: bool = False
    is_answered: bool = False
    is_event_stream: bool = False


class Forwarder:
    """Passes requests on. Use it as an asynchronous context manager."""

    def __init__(self, token: str) -> None:
        """`token` shows the leader that requests are from a controller of its installation."""
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._under_way: defaultdict[str, dict[asyncio.Task[None], tuple[str, float]]] = defaultdict(dict)
        """The requests to each controller, with their methods and when they began."""

    async def __aenter__(self) -> Self:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_MOST_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS, socket_factory=_watched_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            skip_auto_headers=_NOT_ADDED,
            auto_decompress=False,
            trace_configs=[tracing],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections; what is under way breaks off."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def forward(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, address: str, listener: str
    ) -> None:
        """Pass a request on, and its answer back as it arrives, until either side is done or gone.

        Args:
            scope: of the request; its client is passed on as the one who asks.
            body: of the request, complete.
            receive: tells when the client has gone. The connection to the leader is then closed.
            send: takes the answer.
            address: of the leader, such as `10.0.0.5:7862` or `[fd00::5]:7862`.
            listener: the one that the client has reached, `public` or `bots`.

        Raises:
            LeaderUnreachable: there is no answer. The client has been sent nothing.
            AnswerBroken: the answer is not complete, and can't be any more.
        """
        progress = _Progress()
        relaying = asyncio.create_task(self._relay(scope, body, send, address, listener, progress))
        leaving = asyncio.create_task(_until_gone(receive))
        under_way = self._under_way[address]
        under_way[relaying] = scope["method"], asyncio.get_running_loop().time()
        try:
            await asyncio.wait((relaying, leaving), return_when=asyncio.FIRST_COMPLETED)
            is_gone = leaving.done() and not relaying.done()
        finally:
            del under_way[relaying]
            if not under_way:
                self._under_way.pop(address, None)
            relaying.cancel()
            leaving.cancel()
            await asyncio.gather(relaying, leaving, return_exceptions=True)
        if is_gone:
            return
        try:
            if relaying.cancelled():
                raise _broken(address, "it no longer leads.", progress)
            relaying.result()
        except AnswerBroken:
            if not progress.is_event_stream:
                raise
            # Its client opens it again, which begins with a snapshot.
            await send(_END)

    async def reaches(self, address: str) -> bool:
        """Return whether a controller with our secret answers at this address within a few seconds."""
        if self._session is None:
            return False
        headers = {TOKEN.decode(): self._token, LISTENER.decode(): "bots"}
        try:
            async with (
                asyncio.timeout(_CHECK_SECONDS),
                self._session.get(
                    URL(f"http://{address}/livez"), headers=headers, trace_request_ctx=_Progress()
                ) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def lines(self, address: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a controller's answer to us, until it ends or breaks, or a line is too long."""
        if self._session is None:
            return
        headers = {TOKEN.decode(): self._token, LISTENER.decode(): OF_ITS_OWN}
        url = URL(f"http://{address}{path}")
        # The last is a line that is longer than aiohttp's limit, 128 KB.
        with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
            async with self._session.get(url, headers=headers, trace_request_ctx=_Progress()) as answer:
                if answer.status == 200:
                    async for line in answer.content:
                        yield line

    def break_off(self, address: str) -> None:
        """End all requests under way to a controller, as if their connections broke.

        A process that is merely stopped keeps its connections: without this, they would wait for it.
        """
        for relaying in list(self._under_way.get(address, {})):
            relaying.cancel()

    def end_long_ones(self) -> None:
        """End the polls and streams under way. Whatever takes a moment may be finished."""
        begun_before = asyncio.get_running_loop().time() - _MOMENT_SECONDS
        for under_way in list(self._under_way.values()):
            for relaying, (method, began) in list(under_way.items()):
                if method == "GET" and began < begun_before:
                    relaying.cancel()

    async def _relay(
        self, scope: Scope, body: bytes, send: Send, address: str, listener: str, progress: _Progress
    ) -> None:
        if self._session is None:
            raise LeaderUnreachable(address, "no connection can be opened.", was_sent=False)
        try:
            async with self._session.request(
                scope["method"],
                _url(address, scope),
                data=body or None,
                headers=self._headers(scope, listener),
                allow_redirects=False,
                trace_request_ctx=progress,
            ) as answer:
                why = answer.headers.get(REFUSED.decode())
                if why is not None:
                    raise LeaderUnreachable(address, f"refused ({why}).", was_sent=False)
                progress.is_answered = True
                progress.is_event_stream = answer.content_type == "text/event-stream"
                await _return(answer, send)
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(address, f"{type(error).__name__}.", progress) from error

    def _headers(self, scope: Scope, listener: str) -> CIMultiDict[str]:
        """Return what is sent: the client's fields but those of one connection, and ours."""
        headers = CIMultiDict(
            (name.decode("latin-1"), _text(value))
            for name, value in scope["headers"]
            if name not in _NOT_SENT and not name.startswith(PREFIX)
        )
        # Without it aiohttp would name the leader's address, which the client has not asked for.
        headers.setdefault("host", "")
        headers[TOKEN.decode()] = self._token
        headers[LISTENER.decode()] = listener
        headers[SCHEME.decode()] = scope["scheme"]
        if scope.get("client"):
            headers[CLIENT.decode()] = scope["client"][0][:_MOST_ADDRESS_CHARACTERS]
        return headers


def _broken(address: str, cause: str, progress: _Progress) -> ForwardingError:
    if progress.is_answered:
        return AnswerBroken(f"The answer of the controller at {address} broke off: {cause}")
    return LeaderUnreachable(address, cause, was_sent=progress.is_sent)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _return(answer: aiohttp.ClientResponse, send: Send) -> None:
    headers = [
        (name.lower(), value)
        for name, value in answer.raw_headers
        if (lower := name.lower()) not in _NOT_RETURNED
        and not lower.startswith(PREFIX)
        and not (lower == b"content-length" and answer.status in _WITHOUT_BODY)
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for piece in answer.content.iter_any():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send(_END)


def _url(address: str, scope: Scope) -> URL:
    """Return the URL with path and query exactly as the client has written them.

    A target such as `*@example.com` has no slash, and must not become a part of the address.
    """
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    if not path.startswith("/"):
        path = f"/{path}"
    return URL(f"http://{address}{path}{'?' if query else ''}{query}", encoded=True)


def _text(value: bytes) -> str:
    """Return a field's value as aiohttp, which writes UTF-8, sends it unchanged if it is that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    progress: _Progress = context.trace_request_ctx
    progress.is_sent = True


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket whose connection breaks if the other machine has vanished."""
    family, kind, protocol, *_ = address
    watched = socket.socket(family, kind, protocol)
    watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _VANISHED.items():
        if (option := getattr(socket, name, None)) is not None:
            watched.setsockopt(socket.IPPROTO_TCP, option, value)
    return watched
