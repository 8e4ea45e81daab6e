"""Delivery of a call's finished turns to the product backend, which never delays the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from loguru import logger
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    UserTurnMessageAddedMessage,
)
from pipecat.processors.frameworks.rtvi.frames import RTVISendTextFrame

from bot.store import RouteMissing, Store, StoreError, Turn
from podline.backoff import Retries

Role = Literal["user", "assistant"]

MAX_WAITING_TURNS: Final = 1000
MAX_TURN_CHARACTERS: Final = 10_000


@dataclass(frozen=True)
class Rhythm:
    """When turns are sent: `batch` of them at once, or those of `wait` seconds. Times are in seconds."""

    batch: int = 20
    wait: float = 2.0
    first_pause: float = 1.0
    longest_pause: float = 30.0
    flush_within: float = 2.0

    def retries(self) -> Retries:
        return Retries(self.first_pause, self.longest_pause)


class Transcript:
    """Sends turns in batches while its `async with` lasts, and the rest when that ends.

    A batch that may have arrived is sent again: turns carry their index. If the backend keeps no transcripts,
    that is logged once and nothing more is sent.
    """

    def __init__(
        self,
        store: Store,
        session_id: str,
        user_id: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rhythm: Rhythm | None = None,
    ) -> None:
        self._store = store
        self._session_id = session_id
        self._user_id = user_id
        self._now = now
        self._rhythm = rhythm or Rhythm()
        self._waiting: deque[Turn] = deque()
        self._added = asyncio.Event()
        self._count = 0
        self._is_wanted = True
        self._sending: asyncio.Task[None] | None = None
        self.dropped = 0

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send_for_ever(), name="transcript to the backend")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
            await self._flush()

    def follow(self, worker: PipelineWorker, user: Any, assistant: Any) -> None:
        """Add what is said and typed in a pipeline, as its aggregators report it."""
        worker.add_reached_downstream_filter((RTVISendTextFrame,))

        @user.event_handler("on_user_turn_message_added")
        async def on_user_turn_message_added(_aggregator: Any, message: UserTurnMessageAddedMessage) -> None:
            self._add_text("user", message.content)

        @worker.event_handler("on_frame_reached_downstream")
        async def on_frame_reached_downstream(_worker: PipelineWorker, frame: RTVISendTextFrame) -> None:
            self._add_text("user", frame.text)

        @assistant.event_handler("on_assistant_turn_stopped")
        async def on_assistant_turn_stopped(_aggregator: Any, message: AssistantTurnStoppedMessage) -> None:
            self._add_text("assistant", message.content)

    def _add_text(self, role: Role, text: str | None) -> None:
        if text and text.strip():
            self.add(role, text)

    def add(self, role: Role, text: str) -> None:
        """Add a turn that has just ended."""
        if not self._is_wanted:
            return
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._waiting.append(Turn(self._count, role, text[:MAX_TURN_CHARACTERS], at))
        self._count += 1
        if len(self._waiting) > MAX_WAITING_TURNS:
            self._waiting.popleft()
            self.dropped += 1
        self._added.set()

    async def _send_for_ever(self) -> None:
        retries = self._rhythm.retries()
        while self._is_wanted:
            await self._batch_is_due()
            if await self._send_batch():
                retries.reset()
            else:
                await retries.pause()

    async def _batch_is_due(self) -> None:
        await self._has_waiting(1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rhythm.wait):
                await self._has_waiting(self._rhythm.batch)

    async def _has_waiting(self, count: int) -> None:
        while len(self._waiting) < count:
            self._added.clear()
            await self._added.wait()

    async def _send_batch(self) -> bool:
        """Send the oldest turns; return whether they are settled."""
        batch = list(self._waiting)[: self._rhythm.batch]
        try:
            await self._store.save_transcript(self._session_id, self._user_id, batch)
        except RouteMissing:
            logger.warning("the backend keeps no transcripts, none will be sent")
            self._is_wanted = False
            self._waiting.clear()
            return True
        except StoreError as error:
            logger.warning("transcript not delivered, will try again", problem=str(error), turns=len(batch))
            return False
        while self._waiting and self._waiting[0].index <= batch[-1].index:
            self._waiting.popleft()
        return True

    async def _send_all(self) -> bool:
        """Send the waiting turns; return whether none are left."""
        while self._waiting:
            if not await self._send_batch():
                return False
        return True

    async def _flush(self) -> None:
        await self._rhythm.retries().repeat(self._send_all, self._rhythm.flush_within)
        if self._waiting or self.dropped:
            logger.warning("turns never delivered", count=len(self._waiting) + self.dropped)
