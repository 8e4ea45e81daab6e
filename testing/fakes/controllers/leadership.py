"""Leadership that is won, lost and handed over as a test says."""

from __future__ import annotations

import asyncio

from controller.core.leadership import Takeover, TakeoverCause
from controller.core.primitives.flag import Flag


class FakeLeadership:
    """Implements `Leadership`.

    Attributes:
        trouble: what keeps this controller from taking part.
        is_draining: what the next leader would know.
        was_handed_over: whether `hand_over` was called.
    """

    is_sole = False

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.is_draining = False
        self.was_handed_over = False
        self.is_leading = False
        self.leader_address: str | None = None
        self.renewal_age: float | None = None
        self.failure: Exception | None = None
        self._may_write = False
        self._takeover: Takeover | None = None
        self._is_over = asyncio.Event()
        self._changed = Flag()

    # --- what a test says ---

    def leads(self, cause: TakeoverCause = TakeoverCause.START, *, is_draining: bool = False) -> None:
        """Let this controller lead."""
        self._takeover = Takeover(cause=cause, is_draining=is_draining)
        self.is_leading = self._may_write = True
        self.leader_address = None
        self._changed.wake()

    def follows(self, address: str | None) -> None:
        """Let another controller lead, or none."""
        self.leader_address = address
        self._changed.wake()

    def lapses(self) -> None:
        """Let the Lease be renewed no more."""
        self._may_write = False
        self._changed.wake()

    def resumes(self) -> None:
        self._may_write = True
        self._changed.wake()

    def is_lost_to(self, address: str) -> None:
        """Let another controller have taken over meanwhile."""
        self.is_leading = self._may_write = False
        self._is_over.set()
        self.follows(address)

    def fails(self, error: Exception) -> None:
        """Let the election itself fail."""
        self.failure = error
        self._is_over.set()

    # --- Leadership ---

    def problem(self) -> str | None:
        return self.trouble

    def may_write(self) -> bool:
        return self._may_write

    async def run(self) -> None:
        await self._is_over.wait()
        if self.failure is not None:
            raise self.failure

    async def acquired(self) -> Takeover:
        while self._takeover is None:
            await self._changed.wait()
        return self._takeover

    async def changed(self) -> None:
        await self._changed.wait()

    async def keep_draining(self, is_draining: bool) -> None:  # noqa: FBT001 - as the Protocol has it
        if self.failure is not None:
            raise self.failure
        self.is_draining = is_draining

    async def hand_over(self) -> None:
        self.was_handed_over = True
        self.is_leading = self._may_write = False
        self._changed.wake()
