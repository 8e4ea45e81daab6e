"""Two controllers with the same settings, secret and account, which don't sweep up each other's rooms."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp.test_utils import TestServer

from controller.core.primitives.clock import system_clock
from controller.core.rooms import Rooms
from controller.parts import choose_rooms
from controller.rooms.livekit import LiveKitAccount, LiveKitRooms
from controller.rooms.names import RoomNames
from controller.runtimes.local.programs import BotProgram
from controller.runtimes.local.runtime import LocalRuntime
from sandbox.daily.rooms import DOMAIN
from sandbox.daily.server import DailyServer, create_daily_app
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.sessions import some_session
from testing.servers.livekit import KEY, SECRET, livekit_server
from testing.settings import settings_of

AN_HOUR = 3600.0

MakeRooms = Callable[[Callable[[], str]], Rooms]
"""Makes the rooms of a controller whose runtime has this id."""


@contextlib.asynccontextmanager
async def controller(make_rooms: MakeRooms, directory: Path) -> AsyncIterator[Rooms]:
    """Return the rooms of a controller of this machine's only user."""
    work = Path(tempfile.mkdtemp(dir=directory))  # removed with the runtime
    runtime = LocalRuntime(
        program_of=lambda _agent: BotProgram(command=("true",)),
        directory=work,
        grace_seconds=1,
        keep_ended_seconds=1,
        clock=system_clock(),
        state=directory / "state",
    )

    async def watch() -> None:
        async for _ in runtime.watch():
            pass

    watching = asyncio.create_task(watch())
    rooms = make_rooms(runtime.installation_id)
    try:
        yield rooms
    finally:
        await rooms.aclose()
        watching.cancel()
        await asyncio.wait([watching])


async def each_sweeps_up_its_own(
    make_rooms: MakeRooms, names: Callable[[], Awaitable[set[str]]], directory: Path
) -> None:
    """Each has a call, and a room that it left behind. The second is restarted before it sweeps."""
    made: dict[str, str] = {}

    async def open_for(rooms: Rooms, *launches: str) -> None:
        for launch_id in launches:
            room = await rooms.open(some_session(launch_id), lifetime_seconds=AN_HOUR)
            made[launch_id] = room.name

    async with controller(make_rooms, directory) as one:
        async with controller(make_rooms, directory) as other:
            await open_for(one, "a-live", "a-left")
            await open_for(other, "b-live", "b-left")

            assert await one.sweep({"a-live"}) == 1
            assert await names() == set(made.values()) - {made["a-left"]}
        async with controller(make_rooms, directory) as restarted:
            assert await restarted.sweep({"b-live"}) == 1
            assert await names() == {made["a-live"], made["b-live"]}


async def test_at_daily(tmp_path: Path) -> None:
    # Rooms that have just been created look old enough to be swept.
    daily = DailyServer(KEY, lambda: time.time() - AN_HOUR / 2, time.monotonic)

    async def names() -> set[str]:
        return {room.name for room in daily.rooms.list(100, None, None)["data"]}

    async with TestServer(create_daily_app(daily)) as server:
        settings = settings_of(
            rooms="daily",
            DAILY_API_KEY=KEY,
            DAILY_API_URL=str(server.make_url("/v1")),
            room_hosts=DOMAIN.removeprefix("https://"),
        )
        await each_sweeps_up_its_own(
            lambda installation_id: choose_rooms(settings, SIGNER, installation_id), names, tmp_path
        )


async def test_at_livekit(tmp_path: Path) -> None:
    with livekit_server(tmp_path / "livekit", lambda _: None) as server:
        account = LiveKitAccount(url=server.url, public_url=server.url, key=KEY, secret=SECRET)

        async def names() -> set[str]:
            return set(await server.rooms())

        await each_sweeps_up_its_own(
            lambda id_: LiveKitRooms(account, RoomNames(id_), lambda: time.time() + AN_HOUR / 2),
            names,
            tmp_path,
        )
