"""Middleware that believes what other controllers of the installation say about a request, and nobody else.

A refusal at the port for replicas is 401 or 404 with the field REFUSED. By that field, a controller that
passes a request on tells the leader's refusal to serve *it* from an answer to its client: a bot that got a
401 or 404 of ours for its report would end its call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from controller.core.errors import ControllerError, Unauthorized
from controller.replicas.headers import CLIENT, LISTENER, OF_ITS_OWN, PREFIX, REFUSED, SCHEME, TOKEN
from controller.replicas.usage_copy import USAGE_PATH
from controller.web.errors import NotFound
from controller.web.middleware.ports import METRICS, port_of
from controller.web.problems import problem

FROM_REPLICA: Final = "podline.from_replica"
"""The key in the ASGI scope of other controllers' requests; its value is that of LISTENER."""


class ReplicaRefusal(StrEnum):
    """Why a request that another controller passed on was not served; the value of REFUSED."""

    TOKEN = "token"  # noqa: S105 - not a token
    """It is not from a controller with one of our secrets."""
    LISTENER = "listener"
    """It came in at a listener whose requests are not passed on."""
    NOT_LEADING = "not-leading"
    """This controller does not lead."""


async def refuse(
    why: ReplicaRefusal, error: ControllerError, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer another controller so that it knows that its request was not served."""
    await problem(error, {REFUSED.decode(): why})(scope, receive, send)


class FromReplicas:
    """Gives requests of other controllers the client and port that these have seen.

    What is decided and counted by port or address is thus the same whichever controller a client reaches.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int | None,
        listeners: Mapping[str, int | None],
        is_replica_token: Callable[[str], bool],
    ) -> None:
        """Prepare.

        Args:
            app: what serves the requests.
            port: of the listener for other controllers; None if there is none.
            listeners: the ports of the listeners whose requests are passed on, by name.
            is_replica_token: whether a token is one of another controller.
        """
        self._app = app
        self._port = port
        self._listeners = listeners
        self._is_replica_token = is_replica_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = _take_fields(scope)
        if self._port is None or port_of(scope) != self._port:
            await self._app(scope, receive, send)
        elif not self._is_replica_token(said.get(TOKEN, "")):
            await refuse(ReplicaRefusal.TOKEN, Unauthorized(), scope, receive, send)
        elif not self._is_meant(listener := said.get(LISTENER, ""), scope["path"]):
            await refuse(ReplicaRefusal.LISTENER, NotFound(), scope, receive, send)
        else:
            self._restore(scope, said, self._listeners[listener])
            await self._app(scope, receive, send)

    def _is_meant(self, listener: str, path: str) -> bool:
        """Return whether a request for this path may come from another controller's listener."""
        # Each controller has metrics of its own.
        is_served = path == USAGE_PATH if listener == OF_ITS_OWN else path != METRICS
        return listener in self._listeners and is_served

    def _restore(self, scope: Scope, said: Mapping[bytes, str], port: int | None) -> None:
        """Put right what uvicorn has taken from the connection, or from a proxy's fields that it trusts."""
        client = said.get(CLIENT)
        scope["client"] = None if client is None else (client, 0)
        scope["server"] = (scope["server"][0], port)
        scope["scheme"] = "https" if said.get(SCHEME) == "https" else "http"
        scope[FROM_REPLICA] = said[LISTENER]


def _take_fields(scope: Scope) -> dict[bytes, str]:
    """Remove the fields of other controllers from a request, and return them."""
    said = {name: value for name, value in scope["headers"] if name.startswith(PREFIX)}
    if said:
        scope["headers"] = [each for each in scope["headers"] if not each[0].startswith(PREFIX)]
    return {name: value.decode("latin-1") for name, value in said.items()}
