"""A controller as it is served, on a free port, whose bots are processes of the fake bot."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from controller.agents.files import AgentFiles
from controller.composition import compose
from controller.core.agents import AgentVersion
from controller.core.leadership import Leadership
from controller.core.primitives.clock import system_clock
from controller.core.tokens import Signer
from controller.observe.prices import PriceList
from controller.parts import choose_credentials
from controller.rooms.webrtc import WebRtcRooms
from controller.runtimes.local.programs import AgentPrograms, BotProgram, bot_variables
from controller.runtimes.local.runtime import LocalRuntime
from controller.settings import Settings
from controller.web.auth import Identities, Key, read_keys
from controller.web.http.limit_values import HttpLimits
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.parts import SIGNER, fake_parts
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of

FAKE_BOT = Path(__file__).parents[1] / "bots" / "bot.py"
PATIENCE_SECONDS = 15.0
"""Only a hang takes this long."""


class WebApp:
    """What a web app does with a controller, wherever that is served."""

    patience_seconds = PATIENCE_SECONDS

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def start(self, **fields: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/sessions", json={"user_id": "ana", **fields})
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def offer(self, session: dict[str, Any], offer: dict[str, Any]) -> httpx.Response:
        """What the caller of a session does with the room in its answer."""
        room = session["room"]
        return await self.client.post(
            room["url"], json=offer, headers={"Authorization": f"Bearer {room['token']}"}
        )

    async def until(self, session_id: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Watch a session until it is as a test expects it."""
        async with asyncio.timeout(self.patience_seconds):
            async for session in self.watch(f"/v1/sessions/{session_id}/events"):
                if what(session):
                    return session
        raise AssertionError("the stream ended before that")

    async def until_live(self, session_id: str) -> dict[str, Any]:
        return await self.until(session_id, lambda session: session["phase"] == "live")

    async def until_over(self, session_id: str) -> dict[str, Any]:
        return await self.until(session_id, lambda session: session["phase"] in ("ended", "failed"))

    async def watch(self, path: str, **headers: str) -> AsyncGenerator[dict[str, Any]]:
        async with self.client.stream("GET", path, headers=headers) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


class Controller(WebApp):
    """A controller that is served in this process."""

    def __init__(
        self, client: httpx.AsyncClient, server: Server, serving: asyncio.Task[None], directory: Path
    ) -> None:
        super().__init__(client)
        self.server = server
        self.url = server.settings.listeners.url_for_callers
        self.url_for_bots = server.settings.listeners.url_for_bots
        self.serving = serving
        self.directory = directory

    async def leave(self) -> None:
        """What a signal does."""
        self.server.should_exit = True
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.serving


FAKE_BOT_COMMAND = (sys.executable, "-S", str(FAKE_BOT))

ServeController = Callable[..., contextlib.AbstractAsyncContextManager[Controller]]


@contextlib.asynccontextmanager
async def serve_controller(
    directory: Path,
    words: str = "join",
    command: tuple[str, ...] = FAKE_BOT_COMMAND,
    memory_events: Path | None = None,
    prices: PriceList | None = None,
    *,
    keys: Sequence[Key] | None = None,
    signer: Signer = SIGNER,
    identities: Identities | None = None,
    limits: HttpLimits | None = None,
    agents: AgentFiles | None = None,
    leadership: Leadership | None = None,
    **settings: Any,
) -> AsyncIterator[Controller]:
    """Serve a controller whose bots behave as the words say; see testing/fakes/bots/bot.py."""
    chosen = settings_of(**{"port": free_port(), "grace_seconds": 3, **settings})
    # One of its own: it goes with the controller.
    directory = Path(tempfile.mkdtemp(dir=directory))
    server = make_server(
        directory,
        chosen,
        words,
        command,
        memory_events,
        prices,
        keys=keys,
        signer=signer,
        identities=identities,
        limits=limits,
        agents=agents,
        leadership=leadership,
    )
    serving = await started(server)
    async with httpx.AsyncClient(
        base_url=chosen.listeners.url_for_callers, timeout=PATIENCE_SECONDS
    ) as client:
        controller = Controller(client, server, serving, directory)
        try:
            yield controller
        finally:
            await controller.leave()


def make_server(
    directory: Path,
    settings: Settings,
    words: str,
    command: tuple[str, ...] = FAKE_BOT_COMMAND,
    memory_events: Path | None = None,
    prices: PriceList | None = None,
    *,
    keys: Sequence[Key] | None = None,
    signer: Signer = SIGNER,
    identities: Identities | None = None,
    limits: HttpLimits | None = None,
    agents: AgentFiles | None = None,
    leadership: Leadership | None = None,
) -> Server:
    """Put a controller together as `podline serve` does, with the fake bot."""
    clock = system_clock()
    sockets = bind(settings)
    settings = with_bots_port(settings, sockets)
    program = BotProgram(command=command, defaults=bot_variables({}) | {"FAKE_BOT": words})
    runtime = LocalRuntime(
        program_of=(lambda _agent: program) if agents is None else _programs(agents, directory),
        directory=directory,
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        memory_megabytes=settings.local.bot_memory_megabytes,
        memory_events=memory_events,
    )
    rooms = WebRtcRooms(settings.listeners.url_for_callers, signer)
    if keys is None and settings.access.keys_file:
        keys = read_keys(settings.access.keys_file)
    parts = fake_parts(
        agents=agents,
        leadership=leadership,
        runtime=runtime,
        rooms=rooms,
        signer=signer,
        clock=clock,
        metrics=some_metrics(prices),
        credentials=choose_credentials(settings, {}, clock),
        keys=keys,
        identities=identities,
    )
    return Server(compose(settings, parts), sockets, limits)


def _programs(agents: AgentFiles, directory: Path) -> Callable[[AgentVersion], BotProgram]:
    return AgentPrograms(bot_variables(os.environ), agents.home_of, directory).program_of
