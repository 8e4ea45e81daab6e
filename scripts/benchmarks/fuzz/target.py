"""The controller under attack, as a process of its own: `python -m scripts.benchmarks.fuzz.target DIRECTORY`.

It is served as `podline serve` does, over a runtime whose bots are gone as soon as they are launched, but for
one bot that answers each offer. Its first line says in JSON how to reach it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from controller.app import create_app
from controller.auth import Key, KeyScope
from controller.clock import system_clock
from controller.errors import ControllerError
from controller.listeners import bind
from controller.rooms.webrtc import WebRtcRooms
from controller.runtime import Exit, Launch, Sighting
from controller.server import Server
from controller.sessions import Ending, Session
from controller.settings import Settings
from controller.tokens import Signer
from protocol import environment
from protocol.messages import InboxAnswer
from tests.fakes.metered import some_metrics
from tests.fakes.served import free_port

KEY: Final = "a key for every scope of this bench"
RESIDENT: Final = "resident"
_KEPT_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 25.0


class Passing:
    """A runtime whose bots are gone at once, but for that of the resident session."""

    outlives_us = False

    def __init__(self) -> None:
        self.resident: Launch | None = None
        self._seen: Callable[[Sighting], None] | None = None

    async def follow(self, seen: Callable[[Sighting], None]) -> None:
        self._seen = seen
        await asyncio.Event().wait()

    def trouble(self) -> str | None:
        return None

    async def launch(self, launch: Launch) -> None:
        if launch.session.id == RESIDENT:
            self.resident = launch
            _say(
                launch_id=launch.session.launch_id,
                launch_token=(launch.secrets or {}).get(environment.LAUNCH_TOKEN),
            )
        else:
            self._exit(launch.session.launch_id)

    async def stop(self, launch_id: str, intent: Ending) -> None:  # noqa: ARG002 - the Protocol's
        self._exit(launch_id)

    def record(self, session: Session) -> None:
        """Keep nothing: no other controller follows this one."""

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:  # noqa: ARG002 - likewise
        return _no_lines()

    def _exit(self, launch_id: str) -> None:
        if self._seen is not None:
            seen = Sighting(launch_id=launch_id, exit=Exit(at=datetime.now(UTC), exit_code=0))
            asyncio.get_running_loop().call_soon(self._seen, seen)


async def _no_lines() -> AsyncIterator[bytes]:
    yield b""


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def serve() -> None:
    settings = Settings(port=free_port(), keep_ended_seconds=_KEPT_SECONDS, capacity=1000)
    signer = Signer(b"the secret of a bench, never another's")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = [Key(name="bench", sha256=digest, scopes=frozenset({KeyScope.ADMIN}))]
    runtime, clock = Passing(), system_clock()
    rooms = WebRtcRooms(settings.url_for_callers, signer)
    app = create_app(settings, runtime, rooms, signer, keys, clock, some_metrics())
    supervisor = app.state.services.supervisor
    server = Server(app, bind(settings))
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.01)
        answering = tasks.create_task(_answer_offers(supervisor, runtime))
        _say(port=settings.port, key=KEY)
        await serving
        answering.cancel()


async def _answer_offers(supervisor: Any, runtime: Passing) -> None:
    """Be the resident session's bot: take each offer."""
    after: str | None = None
    while True:
        if runtime.resident is None:
            await asyncio.sleep(0.01)
            continue
        launch_id = runtime.resident.environment[environment.LAUNCH_ID]
        try:
            for message in await supervisor.poll(launch_id, after, _POLL_SECONDS):
                after = message.id
                supervisor.answer(launch_id, message.id, InboxAnswer(body={"type": "answer"}))
        except ControllerError:
            return


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(exist_ok=True)
    asyncio.run(serve())
