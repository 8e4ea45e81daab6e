"""The loop of a preloaded process: it forks a bot whenever its controller asks for one."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

from podline.contract.forking import (
    CHANGED,
    FORK,
    FORK_DESCRIPTORS,
    MAX_PACKET_BYTES,
    MAX_PROBLEM_CHARACTERS,
    Exited,
    PreparedToFork,
    encode_packet,
)
from podline.runner.forking.files_read import FilesRead
from podline.runner.forking.forked import OUTPUT, ForkedBot, ShownLaunchId
from podline.runner.forking.safety import why_unsafe

Loaded = TypeVar("Loaded")


class BotForker:
    """Forks bots of what it has imported, for as long as the controller holds the other end of its socket."""

    def __init__(self, control: int) -> None:
        """Take the socket with this descriptor. What the bot starts doesn't inherit it."""
        os.set_inheritable(control, False)  # noqa: FBT003 - the module's own function
        self._control = socket.socket(fileno=control)
        self._shown = ShownLaunchId()
        self._forked: dict[int, int] = {}
        """The descriptors of the bots' processes, which can be read once they have ended, and their ids."""

    def serve(self, prepare: Callable[[FilesRead], Loaded]) -> Loaded:
        """Prepare, then fork. Return only in each bot, which is then a process of its own.

        If this process can't be prepared or must not be forked, it says so and exits.
        """
        files = FilesRead()
        try:
            loaded = prepare(files)
        except Exception as error:  # noqa: BLE001 - a bot that is started alone reports what is wrong
            self._exit_for(f"it can't be prepared: {type(error).__name__}")
        files.stop()
        self._close_output()
        # The bot's file may have set handlers of its own.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if (problem := self._why_unsafe()) is not None:
            self._exit_for(problem)
        self._send(PreparedToFork())
        while not self._serve_once(files):
            pass
        return loaded

    def _serve_once(self, files: FilesRead) -> bool:
        """Wait for what is next. Return True in a bot."""
        poll = select.poll()
        for descriptor in (self._control.fileno(), *self._forked):
            poll.register(descriptor, select.POLLIN)
        for descriptor, _event in poll.poll():
            if descriptor in self._forked:
                self._report(descriptor)
            elif self._answer(files):
                return True
        return False

    def _answer(self, files: FilesRead) -> bool:
        packet, descriptors, _flags, _address = socket.recv_fds(
            self._control, MAX_PACKET_BYTES, FORK_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            os._exit(0)
        if packet != FORK or len(descriptors) != FORK_DESCRIPTORS:
            raise AssertionError("a controller asks for bots, and for nothing else")
        log, stream = descriptors[0], socket.socket(fileno=descriptors[1])
        try:
            if files.have_changed():
                stream.send(CHANGED)
                return False
            if self._why_unsafe(log, stream.fileno()) is not None:
                return False
            return self._fork(ForkedBot(log, stream, self._shown))
        finally:
            os.close(log)
            stream.close()

    def _close_output(self) -> None:
        """Write nothing more, so that the controller has all of it. Each bot has its own log instead."""
        for output in (sys.stdout, sys.stderr):
            # A bot may have closed or replaced them.
            with suppress(Exception):
                output.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in OUTPUT:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)

    def _fork(self, bot: ForkedBot) -> bool:
        try:
            pid = os.fork()
        except OSError:
            # The closed stream says it: the controller starts the bot alone.
            return False
        if pid == 0:
            self._control.close()
            for descriptor in self._forked:
                os.close(descriptor)
            bot.take_over()
            return True
        self._forked[os.pidfd_open(pid)] = pid
        return False

    def _report(self, descriptor: int) -> None:
        """Report how a bot has ended."""
        os.close(descriptor)
        pid, status = os.waitpid(self._forked.pop(descriptor), 0)
        self._send(Exited(pid, os.waitstatus_to_exitcode(status)))

    def _why_unsafe(self, *known: int) -> str | None:
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:
            return "the kernel has no descriptors of processes"
        return why_unsafe({self._control.fileno(), *self._forked, *known})

    def _exit_for(self, problem: str) -> NoReturn:
        self._send(PreparedToFork(problem[:MAX_PROBLEM_CHARACTERS]))
        os._exit(0)

    def _send(self, message: PreparedToFork | Exited) -> None:
        with suppress(OSError):
            self._control.send(encode_packet(message))
