"""A controller as one bot sees it: counts reports once, hands out its inbox, and can fail in every way."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from podline.contract.encoding import encode
from podline.contract.messages import (
    Assignment,
    Event,
    InboxAnswer,
    InboxMessage,
    InboxPage,
    Report,
    ReportAnswer,
)
from podline.contract.reading import read_answer, read_report
from podline.runner.settings import Channel


class Counter:
    """Counts each batch once, as long as it remembers."""

    def __init__(self) -> None:
        self.counted: list[Event] = []
        self.last_seq = 0

    def count(self, report: Report) -> int:
        if report.seq > self.last_seq:
            self.counted.extend(report.events)
            self.last_seq = report.seq
        return self.last_seq

    def restart(self) -> None:
        """What was counted was scraped before; the numbers are forgotten."""
        self.last_seq = 0


class FakeController:
    """Serves one launch while its `async with` lasts.

    Attributes:
        refusals: Statuses to answer the next reports with, before any is counted.
        answers_to_lose: How many reports to count and then hang up on.
        poll_seconds: How long an empty poll is held.
        assignments: What a confirmation of the message with this id is answered with.
        confirmations_to_lose: How many answers to take and then hang up on.
        confirmed: The ids of the messages that were answered, each time.
        start_seconds: How long a bot may take to do what a test waits for.
    """

    def __init__(self, launch_id: str = "launch-1") -> None:
        self.launch_id = launch_id
        self.counter = Counter()
        self.reports: list[Report] = []
        self.polls: list[str | None] = []
        self.inbox: list[InboxMessage] = []
        self.inbox_status = 200
        self.answers: dict[str, InboxAnswer] = {}
        self.refusals: deque[int] = deque()
        self.answer_refusals: deque[int] = deque()
        self.answers_to_lose = 0
        self.poll_seconds = 0.05
        self.assignments: dict[str, Assignment | bytes] = {}
        self.confirmations_to_lose = 0
        self.confirmed: list[str] = []
        self.start_seconds = 10.0
        self._changed = asyncio.Condition()
        app = web.Application()
        launch = f"/internal/launches/{launch_id}"
        app.router.add_post(f"{launch}/reports", self._report)
        app.router.add_get(f"{launch}/inbox", self._poll)
        app.router.add_post(f"{launch}/inbox/{{id}}", self._answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def channel(self) -> Channel:
        return Channel(str(self._server.make_url("")).rstrip("/"), self.launch_id, "token-1")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something the bot sent has made this true."""
        async with asyncio.timeout(self.start_seconds), self._changed:
            await self._changed.wait_for(holds)

    async def queue(self, *messages: InboxMessage) -> None:
        self.inbox.extend(messages)
        await self._tell()

    async def _report(self, request: web.Request) -> web.Response:
        if not _is_allowed(request):
            return web.Response(status=401)
        report, _ = read_report(await request.read())
        self.reports.append(report)
        await self._tell()
        if self.refusals:
            return web.Response(status=self.refusals.popleft())
        ack = self.counter.count(report)
        await self._tell()
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            _hang_up(request)
        return web.Response(body=encode(ReportAnswer(ack)))

    async def _poll(self, request: web.Request) -> web.Response:
        after = request.query.get("after")
        self.polls.append(after)
        await self._tell()
        if self.inbox_status != 200:
            return web.Response(status=self.inbox_status)
        try:
            async with asyncio.timeout(self.poll_seconds), self._changed:
                await self._changed.wait_for(lambda: bool(self._queued(after)))
        except TimeoutError:
            pass
        return web.Response(body=encode(InboxPage(self._queued(after))))

    async def _answer(self, request: web.Request) -> web.Response:
        message_id = request.match_info["id"]
        self.confirmed.append(message_id)
        await self._tell()
        if self.answer_refusals:
            return web.Response(status=self.answer_refusals.popleft())
        self.answers[message_id] = read_answer(await request.read())
        await self._tell()
        if self.confirmations_to_lose:
            self.confirmations_to_lose -= 1
            _hang_up(request)
        assignment = self.assignments.get(message_id)
        if assignment is None:
            return web.Response(status=204)
        return web.Response(body=assignment if isinstance(assignment, bytes) else encode(assignment))

    def _queued(self, after: str | None) -> list[InboxMessage]:
        ids = [message.id for message in self.inbox]
        start = ids.index(after) + 1 if after in ids else 0
        return [message for message in self.inbox[start:] if message.id not in self.answers]

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _is_allowed(request: web.Request) -> bool:
    return request.headers.get("Authorization") == "Bearer token-1"


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
