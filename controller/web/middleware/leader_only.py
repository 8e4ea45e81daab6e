"""Middleware that serves requests at the leader, and has a follower pass them on to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.core.errors import RuntimeUnavailable, ShuttingDown, UnknownOutcome
from controller.observe.replica_metrics import ProxyOutcome
from controller.observe.requests import CODE_IN_SCOPE
from controller.replicas.forwarding import AnswerBroken, Forwarder, LeaderUnreachable
from controller.replicas.replica import Replica
from controller.web.middleware.body_limit import BodyLimit, preceded_by, replayed
from controller.web.middleware.from_replicas import FROM_REPLICA, ReplicaRefusal, refuse
from controller.web.middleware.ports import BOTS, METRICS, PROBES, port_of
from controller.web.problems import problem

HOLD_SECONDS: Final = 10.0
"""How long a request waits for a leader: twice as long as it takes to replace one that has died."""

MOST_BYTES_HELD: Final = 16 * 1024 * 1024
"""Of the bodies of requests that wait. Most have none: bots poll, and callers read."""

_TRY_AGAIN_SECONDS: Final = 0.5
"""Thousands of requests may be held at the moment of a take-over, which ends this pause."""

_OWN: Final = frozenset({*PROBES, METRICS})
_SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_NOBODY_LEADS: Final = "No controller leads right now. Try again in a few seconds."


class LeaderOnly:
    """Passes requests to the application while this replica leads, and otherwise to the leader.

    While nobody leads, or the leader can't be reached, requests are held. Probes and metrics are answered by
    each replica itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        replica: Replica,
        forwarder: Forwarder,
        count: Callable[[ProxyOutcome], None],
        *,
        bots_port: int | None,
        limit_bytes: int,
    ) -> None:
        """Prepare.

        Args:
            app: serves what is for this replica.
            replica: knows who leads.
            forwarder: passes requests on.
            count: called with the outcome of each request that wasn't served here at once.
            bots_port: of the bots' listener.
            limit_bytes: of a body.
        """
        self._app = app
        self._replica = replica
        self._forwarder = forwarder
        self._count = count
        self._bots_port = bots_port
        self._bytes_held = 0
        self._elsewhere = BodyLimit(self._pass_on, limit_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._replica.is_sole or scope["path"] in _OWN:
            await self._app(scope, receive, send)
        elif self._replica.serves:
            await self._serve(scope, receive, send)
        else:
            await self._serve_not(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request here, or elsewhere if this replica hands over before it is answered."""
        kept: list[Message] = []
        has_left = False

        async def keep() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                kept.append(message)
            return message

        async def send_unless_left(message: Message) -> None:
            nonlocal has_left
            if message["type"] == "http.response.start":
                has_left = scope.get(CODE_IN_SCOPE) == ShuttingDown.code
            if not has_left:
                await send(message)

        await self._app(scope, keep, send_unless_left)
        if has_left:
            del scope[CODE_IN_SCOPE]
            await self._serve_not(scope, preceded_by(kept, receive), send)

    async def _serve_not(self, scope: Scope, receive: Receive, send: Send) -> None:
        if FROM_REPLICA in scope and (self._replica.is_leaving or not self._replica.leads()):
            # Passed on once more, it might come back. Held by one that leaves, it would break off with it.
            await refuse(ReplicaRefusal.NOT_LEADING, RuntimeUnavailable(_NOBODY_LEADS), scope, receive, send)
        else:
            await self._elsewhere(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes = (await receive())["body"]
        self._bytes_held += len(body)
        try:
            outcome = await self._until_taken(scope, body, receive, send)
        finally:
            self._bytes_held -= len(body)
        if outcome is None:
            await self._app(scope, replayed(body, receive), send)
        else:
            self._count(outcome)

    async def _until_taken(
        self, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> ProxyOutcome | None:
        """Hold a request until the leader has answered it. Return what became of it; None if that is us."""
        now = asyncio.get_running_loop().time
        until, outcome = now() + HOLD_SECONDS, ProxyOutcome.ANSWERED
        while not self._replica.serves:
            if (address := self._replica.leader_address) is not None:
                try:
                    await self._forwarder.forward(scope, body, receive, send, address, self._listener(scope))
                except AnswerBroken:
                    return ProxyOutcome.BROKEN
                except LeaderUnreachable as error:
                    if error.was_sent and not self._replica.has_left and not _may_be_repeated(scope):
                        await problem(UnknownOutcome())(scope, receive, send)
                        return ProxyOutcome.UNREACHABLE
                else:
                    return outcome
            if self._replica.has_left:
                # It would be broken off in a moment.
                await problem(ShuttingDown())(scope, receive, send)
                return ProxyOutcome.UNREACHABLE
            if now() > until or self._bytes_held > MOST_BYTES_HELD:
                await problem(RuntimeUnavailable(_NOBODY_LEADS))(scope, receive, send)
                return ProxyOutcome.UNREACHABLE
            outcome = ProxyOutcome.HELD
            await self._pause()
        return None

    async def _pause(self) -> None:
        """Wait until leadership has changed, or it is time to try again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TRY_AGAIN_SECONDS):
                await self._replica.changed()

    def _listener(self, scope: Scope) -> str:
        port = port_of(scope)
        return "bots" if port is not None and port == self._bots_port else "public"


def _may_be_repeated(scope: Scope) -> bool:
    """Return whether a request can be sent twice: bots number what they send."""
    return scope["method"] in _SAFE_TO_REPEAT or scope["path"].startswith(BOTS)
