"""Leadership among the controllers of one installation: who acts, and who may write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class TakeoverCause(StrEnum):
    """Why a controller became the leader.

    * START: nobody had led before.
    * HANDOVER: the former leader gave its lease up.
    * EXPIRY: the former leader did not renew its lease in time.
    """

    START = "start"
    HANDOVER = "handover"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """How this controller became the leader.

    Attributes:
        cause: why.
        is_draining: the former leader had been told to start no more sessions.
    """

    cause: TakeoverCause
    is_draining: bool = False


class Leadership(Protocol):
    """Decides which controller of an installation leads. One process leads at most once."""

    @property
    def is_sole(self) -> bool:
        """Whether there are no other controllers."""

    @property
    def is_leading(self) -> bool:
        """Whether this controller leads, though it may be unable to write right now."""

    @property
    def leader_address(self) -> str | None:
        """Return where other replicas reach the leader, as host:port; None if it is this one or unknown."""

    @property
    def renewal_age(self) -> float | None:
        """Return how many seconds ago the lease was last renewed; None if that is not known."""

    def problem(self) -> str | None:
        """Return what keeps this controller from taking part, as a sentence; None if nothing is known."""

    def may_write(self) -> bool:
        """Return whether this controller leads, and nobody else can have taken over."""

    async def run(self) -> None:
        """Take part for as long as this is awaited. It returns once the lead has been lost or handed over."""

    async def acquired(self) -> Takeover:
        """Wait until this controller leads."""

    async def changed(self) -> None:
        """Wait until something above has changed."""

    async def keep_draining(self, is_draining: bool) -> None:  # noqa: FBT001 - the one thing it keeps
        """Have the next leader know whether sessions may be started. Raises RuntimeUnavailable."""

    async def hand_over(self) -> None:
        """Give up the lead, so that another controller takes over at once. Harmless without the lead."""


class SoleController:
    """Implements `Leadership` for the only controller of an installation."""

    is_sole = True
    is_leading = True
    leader_address: str | None = None
    renewal_age: float | None = None

    def problem(self) -> str | None:
        return None

    def may_write(self) -> bool:
        return True

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def acquired(self) -> Takeover:
        return Takeover(cause=TakeoverCause.START)

    async def changed(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def keep_draining(self, is_draining: bool) -> None:  # noqa: ARG002, FBT001 - nobody comes next
        return

    async def hand_over(self) -> None:
        return
