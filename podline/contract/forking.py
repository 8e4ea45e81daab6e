"""What a preloaded process and the controller that owns it send each other, on one machine.

The preloaded process has one socket, on which each packet is one message. It sends `PreparedToFork` once, and
then `Exited` for each bot that it has forked. The controller sends `FORK`, with two descriptors: that of the
bot's log, and one end of a stream of the bot's own. On that stream the bot sends `UP` and receives a
`ForkedStart`, or the preloaded process sends `CHANGED`. A stream that only ends means that there is no bot.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from podline.contract.encoding import decode

FORK: Final = b"fork"
UP: Final = b"up"
CHANGED: Final = b"changed"
"""What the preloaded process has imported is not what it would import now."""

FORK_DESCRIPTORS: Final = 2
MAX_PACKET_BYTES: Final = 2048
"""Of any message, but for a `ForkedStart`."""
MAX_START_BYTES: Final = 64 * 1024
MAX_PROBLEM_CHARACTERS: Final = 200
MAX_LAUNCH_ID_CHARACTERS: Final = 128

_LAST_SIGNAL: Final = 64
_LAST_CODE: Final = 255


@dataclass(frozen=True, slots=True)
class PreparedToFork:
    """All is imported. `problem` says why this process must not be forked; None if it may."""

    problem: Annotated[str, Field(max_length=MAX_PROBLEM_CHARACTERS)] | None = None


@dataclass(frozen=True, slots=True)
class Exited:
    """A bot has ended. `status` is its exit code, or a signal's number below zero."""

    pid: Annotated[int, Field(gt=1, lt=2**31)]
    status: Annotated[int, Field(ge=-_LAST_SIGNAL, le=_LAST_CODE)]


@dataclass(frozen=True, slots=True)
class ForkedStart:
    """What a forked bot has of its own.

    Attributes:
        variables: those that differ from the preloaded process's.
        directory: where it works; None for the preloaded process's own.
    """

    variables: dict[str, str] = field(repr=False)
    directory: str | None = None


_PREPARED: Final = TypeAdapter(PreparedToFork)
_EXITED: Final = TypeAdapter(Exited)
_START: Final = TypeAdapter(ForkedStart)


def encode_packet(message: PreparedToFork | Exited | ForkedStart) -> bytes:
    return json.dumps(asdict(message)).encode()


def read_prepared(packet: bytes) -> PreparedToFork:
    """Read a message strictly.

    Raises:
        DecodeError: It is no such message.
    """
    return decode(_PREPARED, packet)


def read_exited(packet: bytes) -> Exited:
    """Read a message strictly.

    Raises:
        DecodeError: It is no such message.
    """
    return decode(_EXITED, packet)


def read_start(text: bytes) -> ForkedStart:
    """Read a message strictly.

    Raises:
        DecodeError: It is no such message.
    """
    return decode(_START, text)
