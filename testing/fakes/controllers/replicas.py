"""Two controllers on free ports: one leads, and the other passes on what it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.replicas.forwarding import Forwarder, LeaderUnreachable
from controller.web.app import MAX_BODY_BYTES
from controller.web.auth import Key
from controller.web.errors import BodyTooLarge
from controller.web.http.server import Server
from controller.web.middleware.body_limit import read_body
from controller.web.middleware.ports import port_of
from controller.web.problems import problem
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.served import PATIENCE_SECONDS, Controller, make_server, serve_controller
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of


class PassingOn:
    """Passes each request on to one address, which leads as far as this controller knows."""

    def __init__(self, app: ASGIApp, forwarder: Forwarder, address: str, bots_port: int) -> None:
        self.app = app
        self.forwarder = forwarder
        self.address = address
        self.bots_port = bots_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        listener = "bots" if port_of(scope) == self.bots_port else "public"
        try:
            body = await read_body(scope, receive, MAX_BODY_BYTES)
            await self.forwarder.forward(scope, body, receive, send, self.address, listener)
        except BodyTooLarge as error:
            await problem(error)(scope, receive, send)
        except LeaderUnreachable as error:
            await PlainTextResponse(f"was_sent={error.was_sent}", 503)(scope, receive, send)


class Pair:
    """A leader, and a follower whose requests it serves."""

    def __init__(self, leader: Controller, follower: Controller, passing: PassingOn) -> None:
        self.leader = leader
        self.follower = follower
        self.passing = passing
        self.replicas_url = f"http://{passing.address}"

    def connections_to_the_leader(self) -> int:
        """How many the leader has at its port for replicas."""
        port = int(self.passing.address.rpartition(":")[2])
        return sum(
            each.server is not None and each.server[1] == port  # type: ignore[union-attr]
            for each in self.leader.server.server_state.connections
        )


def replica_settings(bots_port: int, replicas_port: int) -> dict[str, Any]:
    """Settings of a controller that others reach, whose bots reach the controller with this port for bots."""
    return {
        "runtime": "kubernetes",
        "job_template": "job.yaml",
        "secret": "a secret for tests",
        "controller_url": f"http://127.0.0.1:{bots_port}",
        "bots_port": free_port(),
        "replica_address": "127.0.0.1",
        "replicas_port": replicas_port,
    }


@contextlib.asynccontextmanager
async def serve_pair(
    directory: Path,
    words: str = "join",
    *,
    keys: Sequence[Key] | None = None,
    trusted_by_leader: str = "",
    trusted_by_follower: str = "",
    **settings: Any,
) -> AsyncIterator[Pair]:
    """Serve a leader and a follower. Bots of the leader report to the follower."""
    bots_port, replicas_port = free_port(), free_port()
    of_leader = replica_settings(bots_port, replicas_port) | settings
    of_follower = {**of_leader, "port": free_port(), "bots_port": bots_port, "replicas_port": free_port()}
    server = make_server(
        directory, settings_of(**of_follower, trusted_proxies=trusted_by_follower), "join", keys=keys
    )
    async with (
        serve_controller(
            directory, words, keys=keys, trusted_proxies=trusted_by_leader, **of_leader
        ) as leader,
        Forwarder(SIGNER.replica_token()) as forwarder,
        served(server, forwarder, f"127.0.0.1:{replicas_port}", directory) as (follower, passing),
    ):
        yield Pair(leader, follower, passing)


@contextlib.asynccontextmanager
async def served(
    server: Server, forwarder: Forwarder, address: str, directory: Path
) -> AsyncIterator[tuple[Controller, PassingOn]]:
    listeners = server.settings.listeners
    assert listeners.bots_port is not None
    app: ASGIApp = server.config.app  # type: ignore[assignment]
    passing = PassingOn(app, forwarder, address, listeners.bots_port)
    server.config.app = passing
    serving = await started(server)
    async with httpx.AsyncClient(base_url=listeners.url_for_callers, timeout=PATIENCE_SECONDS) as client:
        controller = Controller(client, server, serving, directory)
        try:
            yield controller, passing
        finally:
            await controller.leave()
