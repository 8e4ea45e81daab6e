"""Uvicorn, with listeners for callers, bots, metrics and replicas. Bots are shut down before listeners."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Final, cast

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers

from controller.replicas.headers import TOKEN
from controller.settings import Settings
from controller.web.auth import KeyScope, bearer_of
from controller.web.clients import as_peers
from controller.web.http.connections import Admission, Connections
from controller.web.http.limit_values import (
    MOST_CONNECTIONS_OF_A_BOT,
    HttpLimits,
    most_bot_connections,
    most_public_connections,
    most_replica_connections,
)
from controller.web.http.limited_protocol import LimitedProtocol, RawHeaders, Reception
from controller.web.http.listeners import Complaints, SocketListener, Sockets
from controller.web.services import Services

log = logging.getLogger("podline.server")

_LOOK_SECONDS: Final = 0.1
"""How late a second Ctrl-C may be noticed."""

_METRICS_CONNECTIONS: Final = 32
_STRANGERS_AT_THE_BOTS_PORT: Final = 16
"""For one address: probes, and bots before their first request, which shows their token."""

_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_LAUNCHES: Final = "/internal/launches/"


class Server(uvicorn.Server):
    """Serves until a signal, then stops all bots and ends all streams. A second Ctrl-C cuts that short.

    It ends by itself if the supervisor fails, since only a restart helps then.
    """

    def __init__(self, app: FastAPI, sockets: Sockets, limits: HttpLimits | None = None) -> None:
        """Prepare; nothing is opened.

        Args:
            app: what to serve, as `compose` returns it. It decides which path belongs to which port.
            sockets: where to listen. They are closed at the end.
            limits: for each request and connection; None for the usual ones.
        """
        services: Services = app.state.services
        limits = limits or HttpLimits()
        listeners = services.settings.listeners
        proxies = listeners.trusted_proxies
        super().__init__(
            # A connection still open once all streams have ended belongs to a client that does not read.
            uvicorn.Config(
                app,
                host=listeners.host,
                port=listeners.port,
                log_config=None,
                access_log=False,
                server_header=False,
                http="httptools",
                ws="none",
                # An error in it is logged, not mistaken for an application without a lifespan.
                lifespan="on",
                proxy_headers=bool(proxies),
                forwarded_allow_ips=as_peers(proxies),
                timeout_keep_alive=round(limits.idle_seconds),
                timeout_graceful_shutdown=1,
            )
        )
        self._services = services
        self._limits = limits
        self._sockets = sockets
        self._replica = services.replica
        self._has_failed = False

    @property
    def has_failed(self) -> bool:
        """Whether it ended or never started because its supervisor failed. One that was replaced has not."""
        return (self._has_failed and not self._replica.was_replaced) or not self.started

    @property
    def settings(self) -> Settings:
        return self._services.settings

    async def startup(self, sockets: object = None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Without sockets, uvicorn starts the application and listens nowhere.
        await super().startup([])
        self.servers = cast("list[asyncio.base_events.Server]", self._open_listeners())

    def _open_listeners(self) -> list[SocketListener]:
        capacity, settings = self.settings.limits.capacity, self.settings.listeners
        open_files = _limit_of_open_files()
        complaints = Complaints(time.monotonic)
        most_public = most_public_connections(settings.max_connections, open_files, capacity)
        most_bots = most_bot_connections(open_files, capacity)
        public = Connections(
            most_public,
            settings.connections_per_address,
            settings.trusted_proxies,
        )
        # Local bots all connect from this machine, and so do those behind some service meshes.
        bots = Connections(
            most_bots,
            _STRANGERS_AT_THE_BOTS_PORT,
            _LOOPBACK,
            MOST_CONNECTIONS_OF_A_BOT,
        )
        metrics = Connections(_METRICS_CONNECTIONS)
        # One address has many: whatever another replica passes on.
        replicas = Connections(most_replica_connections(open_files, most_public, most_bots))
        refused = self._services.requests.connection_refused
        inside = self._speaking(Reception(self._limits, self._launch_of, lambda _: None, refused))
        outside = self._speaking(Reception(self._limits, self._key_of, OnceForwarded(), refused))
        beside = self._speaking(
            Reception(self._limits.for_replicas(), self._replica_of, lambda _: None, refused)
        )
        listeners = [
            SocketListener("bots", self._sockets.bots, bots, inside, complaints, refused, self._keep_all),
            SocketListener(
                "metrics", self._sockets.metrics, metrics, inside, complaints, refused, self._keep_all
            ),
            SocketListener(
                "replicas",
                self._sockets.replicas,
                replicas,
                beside,
                complaints,
                refused,
                partial(self._give_up_the_oldest, "replicas"),
            ),
            SocketListener(
                "public",
                self._sockets.public,
                public,
                outside,
                complaints,
                refused,
                partial(self._give_up_the_oldest, "public"),
            ),
        ]
        for each in listeners:
            each.open()
        log.info("listening", extra=self._sockets.ports())
        self._log_started_message(self._sockets.public)
        return listeners

    def _speaking(self, reception: Reception) -> Callable[[Admission], LimitedProtocol]:
        return lambda admission: LimitedProtocol(
            self.config, self.server_state, self.lifespan.state, admission, reception
        )

    @staticmethod
    def _keep_all() -> bool:
        """Close none: the network decides who reaches these ports."""
        return False

    def _give_up_the_oldest(self, listener: str) -> bool:
        """Close the idle connection without a key that has been open longest at a listener's port."""
        port = self._sockets.ports()[listener]
        waiting = [
            (since, each)
            for each in cast("set[LimitedProtocol]", self.server_state.connections)
            if each.server is not None and each.server[1] == port
            if (since := each.stranger_waits_since()) is not None
        ]
        if not waiting:
            return False
        min(waiting, key=itemgetter(0))[1].give_up()
        return True

    def _launch_of(self, url: bytes, headers: RawHeaders) -> str | None:
        """Return the launch that a request is about, if the request has that launch's token."""
        launch_id = url.decode("latin-1").partition(_LAUNCHES)[2].partition("/")[0]
        token = bearer_of(Headers(raw=headers))
        is_bot = token is not None and self._services.signer.is_launch_token(token, launch_id)
        return launch_id if is_bot else None

    def _replica_of(self, _: bytes, headers: RawHeaders) -> str | None:
        """Return one name for all replicas, if a request has their token."""
        token = Headers(raw=headers).get(TOKEN.decode(), "")
        return "replica" if self._services.signer.is_replica_token(token) else None

    def _key_of(self, _: bytes, headers: RawHeaders) -> str | None:
        """Return the name of a request's key; None for a browser's key, which anybody may have."""
        key = self._services.gate.find(Headers(raw=headers))
        return None if key is None or key.scopes == {KeyScope.PUBLIC_START} else key.name

    async def on_tick(self, counter: int) -> bool:
        self._enforce_time_limits()
        self._has_failed = not self._replica.is_alive()
        return await super().on_tick(counter) or self._has_failed

    async def shutdown(self, sockets: object = None) -> None:  # noqa: ARG002 - likewise
        leaving = asyncio.create_task(self._replica.close())
        await asyncio.sleep(0)  # cancelled before its first step, it would stop no bot
        while not (leaving.done() or self.force_exit or self._has_failed):
            await asyncio.wait([leaving], timeout=_LOOK_SECONDS)
            self._enforce_time_limits()
        leaving.cancel()
        # The rest takes no time, and must be done: the runtime kills the bots that still run.
        self.force_exit = False
        await super().shutdown()

    def _enforce_time_limits(self) -> None:
        now = asyncio.get_running_loop().time()
        for each in list(self.server_state.connections):
            cast("LimitedProtocol", each).enforce_time_limits(now)


class OnceForwarded:
    """Warns of the first peer that forwards addresses and is not listed as a proxy. Others are like it."""

    def __init__(self) -> None:
        self._has_warned = False

    def __call__(self, peer: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "forwarded by an unlisted peer",
                extra={
                    "peer": peer,
                    "advice": "If this is your proxy, list it in PODLINE_TRUSTED_PROXIES: until then all its "
                    "clients count as one address and share its limits. Otherwise ignore this.",
                },
            )


def _limit_of_open_files() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
