"""Middleware that refuses large bodies before they are read completely."""

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.web.errors import BodyTooLarge
from controller.web.problems import problem


class BodyLimit:
    """Reads a body of at most `limit_bytes` ahead, so that the application never sees a larger one."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, self._limit)
        except BodyTooLarge as error:
            await problem(error)(scope, receive, send)
        except ClientDisconnect:
            # A partial body is not a request. The client is gone; 499 is nginx's status for this.
            await Response(status_code=499)(scope, receive, send)
        else:
            await self._app(scope, replayed(body, receive), send)


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Read the whole body of a request.

    Raises:
        BodyTooLarge: it has more than `limit_bytes`, or says so.
        ClientDisconnect: the client has gone before it was complete.
    """
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields the body once more, and then what follows it."""
    return preceded_by([{"type": "http.request", "body": body, "more_body": False}], receive)


def preceded_by(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that yields these messages, and then what follows them."""

    async def next_message() -> Message:
        return messages.pop(0) if messages else await receive()

    return next_message
