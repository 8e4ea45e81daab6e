"""The channel to the controller: reports out, inbox in. A call continues without it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import aiohttp
from loguru import logger
from pydantic import TypeAdapter

from podline.backoff import Retries
from podline.contract.encoding import DecodeError, decode, encode
from podline.contract.messages import (
    INBOX_POLL_SECONDS,
    MAX_ASSIGNMENT_BYTES,
    REPORT_INTERVAL_SECONDS,
    Assignment,
    InboxAnswer,
    InboxMessage,
    InboxPage,
    ReportAnswer,
)
from podline.runner.channel.outbox import Outbox
from podline.runner.settings import Channel

_IDS_REMEMBERED: Final = 256
"""How many handled messages to remember: a controller resends unanswered ones, which are far fewer."""

_ASSIGNMENT: Final = TypeAdapter(Assignment)
_INBOX_PAGE: Final = TypeAdapter(InboxPage)
_REPORT_ANSWER: Final = TypeAdapter(ReportAnswer)

_FAILURES: Final = (aiohttp.ClientError, TimeoutError, DecodeError)
_REFUSED_FOR_GOOD: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT)
_UNACCEPTABLE: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True)
class Withdrawn:
    """Messages that no longer need an answer: answering them would affect only this side."""

    ids: frozenset[str]


@dataclass(frozen=True)
class Pace:
    """The channel's intervals and timeouts, in seconds.

    The longest pause stays well below the 20 s of silence after which a controller suspects a bot. An empty
    answer to a long poll that came sooner than `empty_poll_at_least` counts as a failure: no busy loop.
    """

    report_every: float = REPORT_INTERVAL_SECONDS
    request_timeout: float = 5.0
    poll_timeout: float = INBOX_POLL_SECONDS + 10.0
    first_pause: float = 0.25
    longest_pause: float = 5.0
    answer_within: float = 20.0
    confirm_timeout: float = 1.5
    confirm_within: float = 5.0
    flush_within: float = 2.0

    empty_poll_at_least: float = 1.0

    def retries(self) -> Retries:
        return Retries(self.first_pause, self.longest_pause)


class ControllerClient:
    """One launch's channel. It sends reports while the `async with` lasts, and flushes them on exit.

    No failure of the network or the controller raises here: failures are logged and retried.

    Attributes:
        launch_ended: Set when the controller says that this launch is over: the bot has to end.
    """

    def __init__(
        self, outbox: Outbox, channel: Channel, http: aiohttp.ClientSession, pace: Pace | None = None
    ) -> None:
        self._outbox = outbox
        self._http = http
        self._pace = pace or Pace()
        self._launch = f"{channel.url}/internal/launches/{channel.launch_id}"
        self._headers = {"Authorization": f"Bearer {channel.token}", "Content-Type": "application/json"}
        self._is_refused = False
        self._reporting: asyncio.Task[None] | None = None
        self.launch_ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reporting = asyncio.create_task(self._report(), name="reports to the controller")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
            # A batch interrupted here is sent again under the same number.
            await self._flush()

    @property
    def is_refused(self) -> bool:
        """True if the controller wants nothing of this launch any more."""
        return self._is_refused

    async def announce(self) -> None:
        """Send one report, repeatedly until it has arrived, or the controller refuses this launch."""
        retries = self._pace.retries()
        while not await self._send_report() and not self._is_refused:
            if not retries.failures:
                logger.warning("controller not reached, not ready yet")
            await retries.pause()

    async def confirm(self, message_id: str) -> Assignment | None:
        """Confirm an assignment; return what was assigned, or None if the bot is not wanted for it any more.

        Raises:
            TimeoutError: No answer arrived: the bot may have been assigned.
            DecodeError: The answer is no assignment that can be used.
        """
        given: list[Assignment] = []
        attempt = partial(self._send_confirmation, message_id, given)
        if not await self._pace.retries().repeat(attempt, self._pace.confirm_within):
            raise TimeoutError
        return given[0] if given else None

    async def _send_confirmation(self, message_id: str, given: list[Assignment]) -> bool:
        """Confirm once, and take what is given; return whether the controller has decided."""
        body = encode(InboxAnswer(body={}))
        try:
            status, answer = await self._request(
                "POST", self._url_of(message_id), body, self._pace.confirm_timeout, MAX_ASSIGNMENT_BYTES
            )
        except (aiohttp.ClientError, TimeoutError):
            return False
        if status == HTTPStatus.OK:
            given.append(decode(_ASSIGNMENT, answer))
        self._heed(status)
        return status < HTTPStatus.INTERNAL_SERVER_ERROR

    async def messages(self) -> AsyncIterator[InboxMessage | Withdrawn]:
        """Yield each inbox message once, in the controller's order, until it refuses this launch."""
        seen: deque[str] = deque(maxlen=_IDS_REMEMBERED)
        after: str | None = None
        retries = self._pace.retries()
        while not self._is_refused:
            asked = asyncio.get_running_loop().time()
            inbox = await self._poll(after)
            messages = [] if inbox is None else inbox.messages
            fresh = [message for message in messages if message.id not in seen]
            if messages:
                after = messages[-1].id
            for message in fresh:
                seen.append(message.id)
                yield message
            withdrawn = frozenset() if inbox is None else frozenset(inbox.withdrawn)
            if withdrawn:
                yield Withdrawn(withdrawn)

            waited = asyncio.get_running_loop().time() - asked
            came = bool(fresh or withdrawn)
            if inbox is None or (not came and waited < self._pace.empty_poll_at_least):
                await retries.pause()
            else:
                retries.reset()

    async def answer(self, message_id: str, answer: InboxAnswer) -> None:
        """Answer one message; give up if the controller doesn't want the answer or can't be reached."""
        retries = self._pace.retries()
        if not await retries.repeat(partial(self._send_answer, message_id, answer), self._pace.answer_within):
            logger.warning("answer not delivered to the controller", failures=retries.failures)

    async def _send_answer(self, message_id: str, answer: InboxAnswer) -> bool:
        """Send an answer; return whether the controller has accepted or refused it."""
        try:
            status, _ = await self._request("POST", self._url_of(message_id), encode(answer))
        except _FAILURES:
            return False
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("answer not wanted by the controller", status=status)
        return status < HTTPStatus.INTERNAL_SERVER_ERROR

    def _url_of(self, message_id: str) -> str:
        return f"{self._launch}/inbox/{quote(message_id, safe='')}"

    async def _report(self) -> None:
        retries = self._pace.retries()
        while not self._is_refused:
            due = asyncio.get_running_loop().time() + self._pace.report_every
            if await self._send_report():
                if retries.failures:
                    logger.info("controller reached again", failures=retries.failures)
                retries.reset()
                if not self._outbox.has_full_batch:
                    await self._moment_or(due)
            else:
                if not retries.failures:
                    logger.warning("report not delivered, the call goes on")
                await retries.pause()

    async def _moment_or(self, due: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._outbox.moment_reached.wait()

    async def _flush(self) -> None:
        """Send the remaining events, and the current totals at least once."""
        retries = self._pace.retries()
        if not await retries.repeat(self._send_rest, self._pace.flush_within):
            dropped = self._outbox.dropped
            logger.warning("last report not delivered", failures=retries.failures, dropped=dropped)

    async def _send_rest(self) -> bool:
        """Send batches until one fails; return whether none is left, or the controller wants none."""
        while not self._is_refused:
            if not await self._send_report():
                return self._is_refused
            if self._outbox.is_settled:
                return True
        return True

    async def _send_report(self) -> bool:
        """Send the current batch; return whether it is settled."""
        self._outbox.moment_reached.clear()
        body = encode(self._outbox.report())
        try:
            status, answer = await self._request("POST", f"{self._launch}/reports", body)
            if status == HTTPStatus.OK:
                return self._outbox.acknowledge(decode(_REPORT_ANSWER, answer).ack)
        except _FAILURES:
            return False
        if status in _UNACCEPTABLE:
            logger.error("report not accepted, its events are given up", status=status, size=len(body))
            self._outbox.give_up()
            return True
        self._heed(status)
        return False

    async def _poll(self, after: str | None) -> InboxPage | None:
        """Poll once, and return None if it failed."""
        url = f"{self._launch}/inbox" + (f"?after={quote(after, safe='')}" if after else "")
        try:
            status, body = await self._request("GET", url, within=self._pace.poll_timeout)
            if status == HTTPStatus.OK:
                return decode(_INBOX_PAGE, body)
        except _FAILURES:
            return None
        self._heed(status)
        return None

    async def _request(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        within: float | None = None,
        most_bytes: int | None = None,
    ) -> tuple[int, bytes]:
        """Return an answer's status and body.

        Raises:
            DecodeError: The body is longer than `most_bytes`.
        """
        limit = aiohttp.ClientTimeout(total=within or self._pace.request_timeout)
        async with self._http.request(
            method, url, data=body, headers=self._headers, timeout=limit, allow_redirects=False
        ) as response:
            if most_bytes is None:
                return response.status, await response.read()
            answer = bytearray()
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > most_bytes:
                    raise DecodeError(f"It is longer than {most_bytes} bytes")
            return response.status, bytes(answer)

    def _heed(self, status: int) -> None:
        """Stop sending if the controller refuses this launch."""
        if status in _REFUSED_FOR_GOOD and not self._is_refused:
            self._is_refused = True
            logger.warning("controller refuses this launch, no more reports", status=status)
            if status == HTTPStatus.CONFLICT:
                self.launch_ended.set()
