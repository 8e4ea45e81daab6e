"""One preloaded process, as its controller sees it: a stranger that may say anything."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.output import copy_output
from controller.runtimes.local.processes.forked import ForkedProcess, take_forked
from controller.runtimes.local.processes.process import kill_group
from controller.runtimes.local.processes.spawned import SpawnedProcess
from podline.contract.encoding import DecodeError
from podline.contract.forking import (
    CHANGED,
    FORK,
    MAX_PACKET_BYTES,
    UP,
    ForkedStart,
    encode_packet,
    read_exited,
    read_prepared,
)
from podline.contract.text import printable

FORK_SECONDS: Final = 10.0
"""How long a fork may take. Only a stopped or overloaded process takes that long."""
_OUTPUT_SECONDS: Final = 1.0
"""How long reading what was written while importing may take."""
_MOST_PROBLEM: Final = 200
_CREDENTIALS: Final = struct.Struct("3i")
"""unix(7), SCM_CREDENTIALS: the ids of a process, its user and its group, checked by the kernel."""


class ForkError(Exception):
    """No bot was forked."""


class ForkOutdatedError(ForkError):
    """What was imported is not any more what would be imported."""


class PreloadedProcess:
    """Forks bots. Await `run` for as long as it is wanted or has bots.

    Attributes:
        forks: how many bots it was asked for.
        prepared: why it can't be forked, as the end of a sentence; None if it can.
    """

    def __init__(
        self,
        process: SpawnedProcess,
        control: socket.socket,
        output: int,
        log: BoundedLog,
        changed: Callable[[], None],
        fork_seconds: float = FORK_SECONDS,
    ) -> None:
        """Take over all of these.

        Args:
            process: runs.
            control: our end of its socket.
            output: the reading end of its output.
            log: is written with that.
            changed: is called when its bots have become fewer.
            fork_seconds: how long a fork may take, after which it is ended.
        """
        control.setblocking(False)  # noqa: FBT003 - the socket's own method
        self._process = process
        self._control = control
        self._output = output
        self._log = log
        self._changed = changed
        self._fork_seconds = fork_seconds
        self.forks = 0
        self._exits = 0
        self._forking = 0
        self._bots: dict[int, ForkedProcess] = {}
        self._is_closed = False
        self._written = asyncio.Event()
        self.prepared: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_closed(self) -> bool:
        """True if it forks no more bots."""
        return self._is_closed

    @property
    def has_bots(self) -> bool:
        """Whether a bot may still need it to say how it ended, or is being forked."""
        return bool(self._bots) or self._forking > 0

    def said(self) -> bytes:
        """Return what it wrote while it was importing; the newest part if that is much."""
        return self._log.text()

    def close(self) -> None:
        """Let it end. Its bots go on; how they end, nobody will know."""
        self._is_closed = True
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    async def run(self) -> None:
        """Listen to it until it ends or says what it can't know; then end it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                copying = tasks.create_task(copy_output(self._output, self._log))
                copying.add_done_callback(lambda _: self._written.set())
                with suppress(OSError, DecodeError):
                    await self._listen()
                kill_group(self.pid)
                await asyncio.wait([copying], timeout=_OUTPUT_SECONDS)
                copying.cancel()
        finally:
            self.close()
            self._control.close()
            self._log.close()
            if not self.prepared.done():
                self.prepared.set_result("it ended while it was being prepared")
            for bot in self._bots.values():
                bot.settle(None)
            kill_group(self.pid)
            await self._process.wait()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while packet := await loop.sock_recv(self._control, MAX_PACKET_BYTES):
            if not self.prepared.done():
                problem = read_prepared(packet).problem
                if problem is None:
                    await self._until_written()
                self.prepared.set_result(None if problem is None else printable(problem, _MOST_PROBLEM))
                continue
            exited = read_exited(packet)
            self._exits += 1
            if self._exits > self.forks:
                raise DecodeError("More bots have ended than it was asked for")
            if (bot := self._bots.get(exited.pid)) is not None:
                bot.settle(exited.status)

    async def _until_written(self) -> None:
        """Wait until all is in the log that was written while importing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_OUTPUT_SECONDS):
                await self._written.wait()

    async def fork(self, log: int, start: ForkedStart, announce: Callable[[int], None]) -> ForkedProcess:
        """Have a bot forked.

        Args:
            log: where it writes.
            start: what it begins with.
            announce: is called with its process group before it has anything of that.

        Raises:
            ForkOutdatedError: this process should be replaced.
            ForkError: there is no bot, for any other reason.
        """
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)  # noqa: FBT003 - the socket's own method
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._forking += 1
            try:
                with theirs:
                    socket.send_fds(self._control, [FORK], [log, theirs.fileno()])
                self.forks += 1
                async with asyncio.timeout(self._fork_seconds):
                    return await self._meet(ours, start, announce)
            except TimeoutError as error:
                self.close()
                raise ForkError from error
            except OSError as error:
                raise ForkError from error
            finally:
                self._forking -= 1

    async def _meet(
        self, stream: socket.socket, start: ForkedStart, announce: Callable[[int], None]
    ) -> ForkedProcess:
        packet, pid = await _receive(stream)
        if packet == CHANGED:
            raise ForkOutdatedError
        if packet != UP or pid is None:
            raise ForkError
        bot = take_forked(pid, self.pid)
        try:
            announce(pid)
            await asyncio.get_running_loop().sock_sendall(stream, encode_packet(start))
        except BaseException:
            bot.kill()
            raise
        finally:
            self._keep(bot)
        return bot

    def _keep(self, bot: ForkedProcess) -> None:
        if self._is_closed:
            bot.settle(None)
        self._bots[bot.pid] = bot
        bot.when_gone(lambda: self._forget(bot))

    def _forget(self, bot: ForkedProcess) -> None:
        del self._bots[bot.pid]
        self._changed()


async def _receive(stream: socket.socket) -> tuple[bytes, int | None]:
    """Return what comes first, and the id of the process that sent it, which the kernel vouches for."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(stream, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(stream)
    packet, ancillary, _flags, _address = stream.recvmsg(
        MAX_PACKET_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size)
    )
    for level, kind, credentials in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return packet, _CREDENTIALS.unpack(credentials[: _CREDENTIALS.size])[0]
    return packet, None
