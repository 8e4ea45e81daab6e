"""A bot that was just forked: it takes over what is its own, so that it is like any other from there on."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Final

from podline.contract import environment as env
from podline.contract.encoding import DecodeError
from podline.contract.forking import MAX_LAUNCH_ID_CHARACTERS, MAX_START_BYTES, UP, ForkedStart, read_start

_READ_BYTES: Final = 64 * 1024
_FAILED: Final = 1
OUTPUT: Final = (1, 2)
"""The descriptors of standard output and standard error."""


class ShownLaunchId:
    """The launch id in the environment with which this process began, which is what `/proc` shows of it.

    What a bot leaves behind is found by it. A preloaded process begins with a variable that has room for any
    id, which is overwritten in place.
    """

    def __init__(self) -> None:
        """Find the variable. Do so before any variable is set."""
        self._address: int | None = None
        if len(os.environ.get(env.LAUNCH_ID, "")) == MAX_LAUNCH_ID_CHARACTERS:
            getenv = ctypes.CDLL(None).getenv
            getenv.restype = ctypes.c_void_p
            self._address = getenv(env.LAUNCH_ID.encode())

    def change(self, launch_id: str) -> None:
        text = launch_id.encode().ljust(MAX_LAUNCH_ID_CHARACTERS, b"\0")
        if self._address is not None and len(text) == MAX_LAUNCH_ID_CHARACTERS:
            ctypes.memmove(self._address, text, len(text))


class ForkedBot:
    """The start of one bot."""

    def __init__(self, log: int, stream: socket.socket, shown: ShownLaunchId) -> None:
        """Take what the bot begins with.

        Args:
            log: the descriptor of its log.
            stream: leads to the controller until the bot has started.
            shown: is changed to the bot's launch id.
        """
        self._log = log
        self._stream = stream
        self._shown = shown

    def take_over(self) -> None:
        """Become a process of its own, in the child. It exits at once if the controller is gone."""
        os.setsid()
        for descriptor in OUTPUT:
            os.dup2(self._log, descriptor)
        start = self._start()
        if start is None:
            os._exit(_FAILED)
        os.environ.update(start.variables)
        if start.directory is not None:
            os.chdir(start.directory)
        self._shown.change(start.variables.get(env.LAUNCH_ID, ""))
        renew_randomness()

    def _start(self) -> ForkedStart | None:
        try:
            # Nothing is done before the controller knows this process: a killed one leaves none behind.
            self._stream.send(UP)
            text = b""
            while (part := self._stream.recv(_READ_BYTES)) and len(text) <= MAX_START_BYTES:
                text += part
            return read_start(text)
        except (OSError, DecodeError):
            return None


def renew_randomness() -> None:
    """Seed what a child would otherwise share. Python's `random` and OpenSSL have done so by themselves."""
    if (numpy := sys.modules.get("numpy.random")) is not None:
        numpy.seed()
