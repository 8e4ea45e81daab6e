"""Bots as processes on this machine, each in a process group and a working directory of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from controller.clock import Clock
from controller.errors import RuntimeUnavailable
from controller.runtime import Exit, Launch, Sighting
from controller.runtimes.log import BoundedLog
from protocol import environment
from protocol.messages import MAX_LAST_WORD_BYTES, LastWord

log = logging.getLogger("podline.runtimes.local")

_READ_BYTES: Final = 64 * 1024
_OUTPUT_SECONDS: Final = 1.0
"""How long what the group has left in its pipe may take to read, once the bot is gone."""


_MACHINE: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
)
"""Variables of the machine that any program needs, in either case; beside them LC_* and PYTHON*."""


def bot_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """What bots get of the controller's variables: the machine's and the shared ones, no secret of ours."""
    return {
        name: value
        for name, value in variables.items()
        if value
        and (name.upper() in _MACHINE or name in environment.SHARED or name.startswith(("LC_", "PYTHON")))
    }


@dataclass(slots=True, eq=False)
class _Bot:
    """One process, running or gone."""

    process: asyncio.subprocess.Process
    directory: Path
    log: BoundedLog
    asked_to_leave: asyncio.Event = field(default_factory=asyncio.Event)


class LocalRuntime:
    """Runs `command` once for each launch."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        directory: Path,
        grace_seconds: float,
        keep_ended_seconds: float,
        clock: Clock,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            command: what to run.
            variables: the environment that all bots share.
            directory: exists; holds a working directory for each launch.
            grace_seconds: from SIGTERM to SIGKILL.
            keep_ended_seconds: how long the log of a bot outlives it.
            clock: says when a bot was seen.
        """
        self._command = tuple(command)
        self._variables = dict(variables)
        self._directory = directory
        self._grace_seconds = grace_seconds
        self._keep_ended_seconds = keep_ended_seconds
        self._clock = clock
        self._bots: dict[str, _Bot] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._seen: Callable[[Sighting], None] | None = None

    async def follow(self, seen: Callable[[Sighting], None]) -> None:
        self._seen = seen
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def is_ready(self) -> bool:
        return self._tasks is not None

    async def launch(self, launch: Launch) -> None:
        if self._tasks is None:
            raise RuntimeUnavailable("The local runtime is not running.")
        launch_id = launch.session.launch_id
        directory = self._directory / launch_id
        try:
            bot, output = await self._spawn(launch, directory)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise RuntimeUnavailable(f"The bot's process could not be started: {error.strerror}.") from error
        self._bots[launch_id] = bot
        self._tasks.create_task(self._watch(launch_id, bot, output))

    async def stop(self, launch_id: str) -> None:
        if bot := self._bots.get(launch_id):
            bot.asked_to_leave.set()

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        if bot := self._bots.get(launch_id):
            async for text in bot.log.read(follow=follow):
                yield text

    async def _spawn(self, launch: Launch, directory: Path) -> tuple[_Bot, int]:
        """Start the process; returns it with the reading end of its output."""
        directory.mkdir(mode=0o700)  # noqa: ASYNC240 - takes no time worth a thread
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd=directory,
                env={
                    **self._variables,
                    **launch.environment,
                    **launch.secrets,
                    environment.LAST_WORD: str(directory / "last-word.json"),
                },
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return _Bot(process, directory, BoundedLog(directory)), reading

    async def _watch(self, launch_id: str, bot: _Bot, output: int) -> None:
        """See one bot through to its end, tell of it, and clean up when its log has been kept long enough."""
        assert self._seen is not None  # noqa: S101 - set before the first launch can come in
        self._seen(Sighting(launch_id=launch_id, scheduled=self._clock.now()))
        try:
            async with asyncio.TaskGroup() as tasks:
                copying = tasks.create_task(_copy(output, bot.log))
                stopping = tasks.create_task(self._stop_when_asked(bot))
                await bot.process.wait()
                stopping.cancel()
                _kill_group(bot.process.pid)
                await asyncio.wait([copying], timeout=_OUTPUT_SECONDS)
                copying.cancel()
        finally:
            # Also on the way out of a controller that ends in haste: no process outlives it.
            _kill_group(bot.process.pid)
            await bot.process.wait()
            bot.log.close()
        self._seen(Sighting(launch_id=launch_id, exit=self._exit(bot)))
        await asyncio.sleep(self._keep_ended_seconds)
        del self._bots[launch_id]
        shutil.rmtree(bot.directory, ignore_errors=True)

    async def _stop_when_asked(self, bot: _Bot) -> None:
        await bot.asked_to_leave.wait()
        with suppress(ProcessLookupError):
            bot.process.terminate()
        await asyncio.sleep(self._grace_seconds)
        log.warning("bot killed after the grace period", extra={"pid": bot.process.pid})
        _kill_group(bot.process.pid)

    def _exit(self, bot: _Bot) -> Exit:
        code = bot.process.returncode
        word, written = _read_last_word(bot.directory / "last-word.json")
        return Exit(
            at=written or self._clock.now(),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            last_word=word,
        )


def _kill_group(leader: int) -> None:
    """Kill whoever is left of a process group. A group without members is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


async def _copy(output: int, log_: BoundedLog) -> None:
    """Copy a pipe to the log until its last writer is gone."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    try:
        while text := await reader.read(_READ_BYTES):
            try:
                log_.write(text)
            except OSError as error:
                log.warning("bot's output could not be kept", extra={"error": error.strerror})
    finally:
        transport.close()


def _read_last_word(path: Path) -> tuple[LastWord | None, datetime | None]:
    """The bot's last word and when it was written; nothing where it is missing, too long or malformed."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_LAST_WORD_BYTES + 1)
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        if len(text) > MAX_LAST_WORD_BYTES:
            return None, None
        return msgspec.json.decode(text, type=LastWord), written
    except (OSError, msgspec.DecodeError):
        return None, None
