"""Where bots run, as the supervisor sees it: a Protocol, and what passes through it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.sessions import Session
from protocol.messages import LastWord
from protocol.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One bot to start.

    Attributes:
        session: what it is for, whole, so that a runtime can keep it beside the bot.
        environment: variables anyone may read.
        secrets: variables that only the bot may read.
        deadline_seconds: how long it may exist at the very most, counted from the launch.
    """

    session: Session
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    deadline_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """What a runtime has seen of a bot that is surely gone.

    Attributes:
        cause: what the place itself did to the bot (out of memory, evicted, node lost), if anything.
        exit_code: of the process, None when a signal ended it or nobody knows.
        signal: the number of the signal that ended it, None otherwise.
        last_word: what the bot left behind, None when there is nothing or nothing valid.
    """

    at: datetime
    cause: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    last_word: LastWord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One thing a runtime has seen of one launch."""

    launch_id: str
    scheduled: datetime | None = None
    exit: Exit | None = None


class Runtime(Protocol):
    """A place where bots run, one process or pod for each launch."""

    async def follow(self, seen: Callable[[Sighting], None]) -> None:
        """Watch all bots for as long as this is awaited, and tell `seen` what becomes of each."""

    def is_ready(self) -> bool:
        """Whether launches are taken and ends are noticed right now."""

    async def launch(self, launch: Launch) -> None:
        """Start one bot. The same launch again starts no second one.

        Raises:
            RuntimeUnavailable: no bot was started, and none will be.
            LaunchUnknown: nobody can say yet. `stop` then sees to it that there is none, and its exit is seen
                also where there never was one.
        """

    async def stop(self, launch_id: str) -> None:
        """Ask a bot to leave, and see to it that it is gone after the grace period. Harmless when repeated.

        Returns when it has been asked, not when it is gone: that is a sighting.
        """

    def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        """What a bot wrote to its standard streams; with `follow`, until it is gone."""
