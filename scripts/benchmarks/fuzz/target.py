"""The controller under attack, as a process of its own: `python -m scripts.benchmarks.fuzz.target`.

It is served as `podline serve` does, over a runtime whose bots are gone as soon as they are launched, but for
some that answer each offer. Its first line says in JSON how to reach it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Final

import httpx

from controller.composition import compose
from controller.core.errors import ControllerError, NotClaimed
from controller.core.runtime import Exit, Launch, Observation
from controller.core.session import Ending, Session
from controller.core.tokens import Signer
from controller.core.warm import WarmLaunch
from controller.rooms.webrtc import WebRtcRooms
from controller.runtimes.observation_queue import ObservationQueue
from controller.supervision.supervisor import Supervisor
from controller.web.auth import Key, KeyScope
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from podline.contract.messages import InboxAnswer
from testing.fakes.controllers.parts import fake_parts
from testing.processes import free_port
from testing.settings import settings_of

KEY: Final = "a key for every scope of this bench"
RESIDENTS: Final = tuple(f"resident-{number}" for number in range(64))
"""Sessions that last. One alone is limited in what its caller and its bot may send."""
_KEPT_SECONDS: Final = 0.5
_A_DAY_SECONDS: Final = 86_400
_POLL_SECONDS: Final = 25.0


class Passing:
    """A runtime whose bots are gone at once, but for those of resident sessions."""

    outlives_us = False

    def __init__(self) -> None:
        self._observations: ObservationQueue[Observation] = ObservationQueue()

    def installation_id(self) -> str:
        return "f022ed0000"

    def watch(self) -> AsyncGenerator[Observation, None]:
        return self._observations.read_during(_forever())

    def not_ready_reason(self) -> str | None:
        return None

    async def look_for(self, launch_id: str) -> None:
        """Find nothing: there is no other controller."""

    async def launch(self, launch: Launch) -> None:
        if launch.session.id not in RESIDENTS:
            self._exit(launch.session.launch_id)

    async def launch_warm(self, launch: WarmLaunch) -> None:
        self._exit(launch.bot.launch_id)

    async def claim(self, launch: Launch) -> None:  # noqa: ARG002 - likewise
        raise NotClaimed

    async def give_up(self, launch_id: str) -> None:
        """Do nothing: a warm bot is gone at once."""

    async def stop(self, session: Session, intent: Ending) -> None:  # noqa: ARG002 - the Protocol's
        self._exit(session.launch_id)

    def record(self, session: Session) -> None:
        """Keep nothing: no other controller follows this one."""

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:  # noqa: ARG002 - likewise
        return _no_lines()

    def _exit(self, launch_id: str) -> None:
        exit_ = Exit(at=datetime.now(UTC), exit_code=0)
        self._observations.put(Observation(launch_id=launch_id, exit=exit_))


async def _forever() -> None:
    await asyncio.Event().wait()


async def _no_lines() -> AsyncIterator[bytes]:
    yield b""


async def serve() -> None:
    settings = settings_of(
        port=free_port(),
        keep_ended_seconds=_KEPT_SECONDS,
        capacity=1000,
        start_timeout_seconds=_A_DAY_SECONDS,
        silence_seconds=_A_DAY_SECONDS,
        public_starts_per_minute=1_000_000,
    )
    sockets = bind(settings)
    settings = with_bots_port(settings, sockets)
    signer = Signer(b"the secret of a bench, never another's")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = [Key(name="bench", sha256=digest, scopes=frozenset({KeyScope.ADMIN}))]
    rooms = WebRtcRooms(settings.listeners.url_for_callers, signer)
    app = compose(settings, fake_parts(runtime=Passing(), rooms=rooms, signer=signer, keys=keys))
    server = Server(app, sockets)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.01)
        residents = await _start_residents(settings.listeners.url_for_callers)
        supervisor: Supervisor = app.state.services.supervisor
        launches = {name: supervisor.registry.get(name).session.launch_id for name in RESIDENTS}
        answering = [tasks.create_task(_answer_offers(supervisor, each)) for each in launches.values()]
        figures = {
            "port": settings.listeners.port,
            "bots_port": sockets.ports()["bots"],
            "key": KEY,
            "residents": [
                [name, residents[name], launch_id, signer.launch_token(launch_id)]
                for name, launch_id in launches.items()
            ],
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
        await serving
        for each in answering:
            each.cancel()


async def _start_residents(url: str) -> dict[str, str]:
    """Start the sessions that last, and return the token of each one's caller."""
    tokens = {}
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        for name in RESIDENTS:
            answer = await client.post("/v1/sessions", json={"user_id": name, "session_id": name})
            tokens[name] = str(answer.raise_for_status().json()["room"]["token"])
    return tokens


async def _answer_offers(supervisor: Supervisor, launch_id: str) -> None:
    """Be the bot of a session that lasts: take each offer."""
    after: str | None = None
    while True:
        try:
            inbox = await supervisor.channel.poll(launch_id, after, _POLL_SECONDS)
        except ControllerError:
            return
        for message in inbox.messages:
            after = message.id
            supervisor.channel.answer(launch_id, message.id, InboxAnswer(body={"type": "answer"}))


if __name__ == "__main__":
    asyncio.run(serve())
