"""Where calls end: a sandbox, a controller with short deadlines, and a gate between it and its bots."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from dotenv import dotenv_values

from sandbox.voice import Voice
from testing.processes import ROOT, Program, answers, eventually, free_port, processes_of
from testing.servers.livekit import LiveKitServer, livekit_server

FAULTS = Path(__file__).parents[1] / "faults"

SHORT = {
    "PODLINE_SESSIONS_PER_USER": "1",
    "PODLINE_NO_CALLER_SECONDS": "4",
    "PODLINE_RETURN_GRACE_SECONDS": "3",
    "PODLINE_START_TIMEOUT_SECONDS": "15",
}
"""With one session per user, a second one is the proof that the first has given its slot back."""


class Gate:
    """A TCP proxy through which bots reach their controller, and which can be shut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_shut = False
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            server.close()
            self.shut()

    def shut(self) -> None:
        """Cut all connections, and every one that is made from now on."""
        self._is_shut = True
        for writer in self._writers:
            writer.transport.abort()

    def open(self) -> None:
        self._is_shut = False

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back))
                both.create_task(_copy(there, writer))
        finally:
            self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Site:
    """A running site.

    Attributes:
        url: Where the controller is.
        controller: Its API.
        control: The sandbox's API for what happened and what is to go wrong.
        process: The controller's process id.
        gate: Between the controller and its bots.
        exits: What bots exited with, a file for each session.
        livekit: The server whose rooms callers and bots meet in, if they do.
    """

    url: str
    controller: httpx.AsyncClient
    control: httpx.AsyncClient
    process: int
    gate: Gate
    exits: Path
    voice: Voice
    livekit: LiveKitServer | None

    async def misbehave(self, target: str, name: str, **parameters: Any) -> None:
        order = {"target": target, "name": name, **parameters}
        (await self.control.post("/sandbox/behaviour", json=order)).raise_for_status()

    async def behave(self) -> None:
        (await self.control.delete("/sandbox/behaviour")).raise_for_status()

    def freeze_controller(self) -> None:
        os.kill(self.process, signal.SIGSTOP)

    def thaw_controller(self) -> None:
        os.kill(self.process, signal.SIGCONT)


@contextlib.asynccontextmanager
async def open_site(
    directory: Path,
    settings: Mapping[str, str],
    watch: Callable[[Program], None],
    between: Callable[[int], Gate] = Gate,
) -> AsyncIterator[Site]:
    """Start a sandbox and a controller; at the end both are gone, and their bots with them."""
    exits, personas = directory / "exits", directory / "personas"
    for folder in (exits, personas):
        folder.mkdir(parents=True)
    (personas / "mute.toml").write_text('voice = "Aoede"\nlanguage = "en-US"\n')
    port = free_port()
    bots_port = free_port()
    gate = between(bots_port)
    async with contextlib.AsyncExitStack() as stack:
        # What is left when all have been stopped, is left behind.
        stack.callback(lambda: _assert_nobody_left(directory))
        url_for_bots = await stack.enter_async_context(gate.served())
        own = await _start_sandbox(directory, watch, stack)
        livekit = await _start_livekit(directory / "livekit", settings, watch, stack)
        url = f"http://127.0.0.1:{port}"
        variables = {
            **own,
            **SHORT,
            **settings,
            **(livekit.variables if livekit else {}),
            "PYTHONPATH": f"{FAULTS}{os.pathsep}{ROOT}",
            "PYTHON_EXITS": str(exits),
            "PODLINE_PORT": str(port),
            "PODLINE_BOTS_PORT": str(bots_port),
            "PODLINE_CONTROLLER_URL": url_for_bots,
            "PODLINE_PERSONAS": str(personas),
            "XDG_STATE_HOME": str(directory / "state"),
        }
        controller = Program.start(
            "controller", [sys.executable, "-m", "controller", "serve"], directory, variables
        )
        watch(controller)
        stack.push_async_callback(asyncio.to_thread, controller.stop)
        if livekit is not None:
            # Before the controller is stopped: each room goes with its own session.
            stack.push_async_callback(eventually, livekit.is_empty, "the end of all rooms")
        await asyncio.to_thread(controller.wait_until, lambda: answers(f"{url}/readyz"))
        api = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=40))
        control = await stack.enter_async_context(httpx.AsyncClient(base_url=own["CONVEX_URL"]))
        yield Site(url, api, control, controller.process.pid, gate, exits, Voice(), livekit)


async def _start_sandbox(
    directory: Path, watch: Callable[[Program], None], stack: contextlib.AsyncExitStack
) -> dict[str, str]:
    """A sandbox, stopped with the stack, and the variables of who wants to use it."""
    command = [sys.executable, "-m", "sandbox", "--directory", str(directory)]
    sandbox = Program.start("sandbox", command, directory, {})
    watch(sandbox)
    stack.push_async_callback(asyncio.to_thread, sandbox.stop)
    described = directory / "sandbox.env"
    await asyncio.to_thread(sandbox.wait_until, described.exists)
    return {name: value or "" for name, value in dotenv_values(described).items()}


async def _start_livekit(
    directory: Path,
    settings: Mapping[str, str],
    watch: Callable[[Program], None],
    stack: contextlib.AsyncExitStack,
) -> LiveKitServer | None:
    """A server, where the settings ask for its rooms; `LIVEKIT_AUTO_CREATE` is for it alone."""
    if settings.get("PODLINE_ROOMS") != "livekit":
        return None
    makes_rooms = settings.get("LIVEKIT_AUTO_CREATE") != "false"
    server = livekit_server(directory, watch, makes_rooms_unasked=makes_rooms)
    return await asyncio.to_thread(stack.enter_context, server)


def _assert_nobody_left(directory: Path) -> None:
    assert processes_of(directory) == []
