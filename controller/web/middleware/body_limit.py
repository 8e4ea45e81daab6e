"""Middleware that refuses large bodies before they are read completely."""

from starlette.datastructures import Headers
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
        first = None if self._is_announced_too_large(scope) else await self._read(receive)
        if first is None:
            await problem(BodyTooLarge(self._limit))(scope, receive, send)
        elif first["type"] == "http.disconnect":
            # A partial body is not a request. The client is gone; 499 is nginx's status for this.
            await Response(status_code=499)(scope, receive, send)
        else:
            await self._app(scope, _preceded_by(first, receive), send)

    def _is_announced_too_large(self, scope: Scope) -> bool:
        length = Headers(scope=scope).get("content-length", "0")
        return not length.isdecimal() or int(length) > self._limit

    async def _read(self, receive: Receive) -> Message | None:
        """Return the whole body as one message; None if it is too large."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if len(body) > self._limit:
                return None
            if not message.get("more_body", False):
                return {"type": "http.request", "body": bytes(body), "more_body": False}


def _preceded_by(first: Message, receive: Receive) -> Receive:
    messages = [first]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
