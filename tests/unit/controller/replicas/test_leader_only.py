"""A request is served by the leader, whichever replica it reaches and whoever leads next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from controller.observe.replica_metrics import ProxyOutcome
from controller.replicas.forwarding import AnswerBroken, Forwarder, LeaderUnreachable
from controller.replicas.replica import LINGER_SECONDS
from controller.web.middleware import leader_only
from controller.web.middleware.from_replicas import FROM_REPLICA
from controller.web.middleware.leader_only import HOLD_SECONDS, LeaderOnly
from testing.fakes.controllers.clockwork import at_once
from tests.unit.controller.replicas.standing import ANOTHER, OTHER, Stand, standing

PUBLIC: Final = 7860
BOTS: Final = 7861
LIMIT: Final = 1000


@dataclass
class Answered:
    """What the client got."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        code: str = json.loads(self.body)["code"]
        return code

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


async def answer(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class ScriptedForwarder(Forwarder):
    """Answers with the address it was asked to reach, unless something goes wrong there.

    Attributes:
        troubles: what goes wrong at an address.
        forwarded: address, listener and body of each request.
    """

    def __init__(self) -> None:
        super().__init__("a token")
        self.troubles: dict[str, Exception] = {}
        self.forwarded: list[tuple[str, str, bytes]] = []

    async def forward(
        self,
        scope: Scope,  # noqa: ARG002 - likewise
        body: bytes,
        receive: Receive,  # noqa: ARG002 - likewise
        send: Send,
        address: str,
        listener: str,
    ) -> None:
        self.forwarded.append((address, listener, body))
        if address in self.troubles:
            raise self.troubles[address]
        await answer(send, address.encode())


@dataclass
class Door:
    """The middleware of a replica, and what came of requests."""

    stand: Stand
    middleware: LeaderOnly
    forwarder: ScriptedForwarder
    outcomes: list[ProxyOutcome]

    async def ask(
        self,
        method: str = "GET",
        path: str = "/v1/sessions",
        body: bytes = b"",
        *,
        port: int = PUBLIC,
        was_passed_on: bool = False,
    ) -> Answered:
        answered = Answered()
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(b"content-length", str(len(body)).encode())],
            "server": ("127.0.0.1", port),
        }
        if was_passed_on:
            scope[FROM_REPLICA] = "bots"
        await self.middleware(scope, receive, answered.send)
        return answered


async def serve_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The application: says that it served, and what."""
    assert scope["type"] == "http"
    await answer(send, b"served here: " + (await receive())["body"])


@asynccontextmanager
async def door(*, is_sole: bool = False, limit: int = LIMIT) -> AsyncIterator[Door]:
    async with standing(is_sole=is_sole) as stand:
        forwarder, outcomes = ScriptedForwarder(), list[ProxyOutcome]()
        middleware = LeaderOnly(
            serve_here, stand.replica, forwarder, outcomes.append, bots_port=BOTS, limit_bytes=limit
        )
        yield Door(stand, middleware, forwarder, outcomes)


async def held(work: asyncio.Task[Answered]) -> None:
    """Let a second pass, after which this is still held."""
    await asyncio.sleep(1)
    assert not work.done()


def unreachable(*, was_sent: bool) -> Callable[[str], LeaderUnreachable]:
    return lambda address: LeaderUnreachable(address, "reset.", was_sent=was_sent)


@at_once
async def test_the_leader_serves() -> None:
    async with door() as at:
        await at.stand.leads()

        assert (await at.ask(body=b"a body")).body == b"served here: a body"
        assert at.outcomes == []


@at_once
async def test_a_follower_passes_a_request_on_with_its_body() -> None:
    async with door() as at:
        await at.stand.follows()

        assert (await at.ask("POST", body=b"a body")).body == OTHER.encode()
        assert at.forwarder.forwarded == [(OTHER, "public", b"a body")]
        assert at.outcomes == [ProxyOutcome.ANSWERED]


@at_once
async def test_a_bots_request_is_passed_on_as_one_at_the_bots_port() -> None:
    async with door() as at:
        await at.stand.follows()
        await at.ask("POST", "/internal/launches/1/reports", port=BOTS)

        assert at.forwarder.forwarded == [(OTHER, "bots", b"")]


@at_once
async def test_probes_and_metrics_are_answered_by_each_replica_itself() -> None:
    async with door() as at:
        await at.stand.follows()
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await at.ask(path=path)).body == b"served here: "

        assert at.forwarder.forwarded == []


@at_once
async def test_a_request_that_waits_for_a_leader_is_served_here_once_this_replica_leads() -> None:
    async with door() as at:
        asking = asyncio.create_task(at.ask("POST", body=b"a body"))
        await held(asking)
        at.stand.leadership.leads()

        assert (await asking).body == b"served here: a body"
        assert at.outcomes == []


@at_once
async def test_a_request_that_waits_for_a_leader_is_passed_on_once_another_one_leads() -> None:
    async with door() as at:
        asking = asyncio.create_task(at.ask("POST", body=b"a body"))
        await held(asking)
        at.stand.leadership.follows(OTHER)

        assert (await asking).body == OTHER.encode()
        assert at.outcomes == [ProxyOutcome.HELD]


@at_once
async def test_a_request_does_not_wait_forever_for_a_leader() -> None:
    async with door() as at:
        async with asyncio.timeout(2 * HOLD_SECONDS):
            answered = await at.ask()

        assert (answered.status, answered.code) == (503, "runtime_unavailable")
        assert "retry-after" in answered.headers
        assert at.outcomes == [ProxyOutcome.UNREACHABLE]


@at_once
async def test_a_request_that_did_not_reach_the_leader_is_sent_again() -> None:
    async with door() as at:
        await at.stand.follows()
        at.forwarder.troubles[OTHER] = unreachable(was_sent=False)(OTHER)
        asking = asyncio.create_task(at.ask("POST", body=b"a body"))
        await held(asking)
        at.stand.leadership.follows(ANOTHER)

        assert (await asking).body == ANOTHER.encode()


@at_once
async def test_a_start_that_may_have_been_served_is_not_sent_again() -> None:
    async with door() as at:
        await at.stand.follows()
        at.forwarder.troubles[OTHER] = unreachable(was_sent=True)(OTHER)
        answered = await at.ask("POST")

        assert answered.status == 503
        assert len(at.forwarder.forwarded) == 1
        assert at.outcomes == [ProxyOutcome.UNREACHABLE]


@at_once
async def test_what_can_be_sent_twice_is_sent_again_though_it_may_have_been_served() -> None:
    for method, path in (
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/1"),
        ("POST", "/internal/launches/1/reports"),
    ):
        async with door() as at:
            await at.stand.follows()
            at.forwarder.troubles[OTHER] = unreachable(was_sent=True)(OTHER)
            asking = asyncio.create_task(at.ask(method, path))
            await held(asking)
            at.stand.leadership.leads()

            assert (await asking).body == b"served here: "


@at_once
async def test_an_answer_that_broke_off_is_not_completed_by_another() -> None:
    async with door() as at:
        await at.stand.follows()
        at.forwarder.troubles[OTHER] = AnswerBroken("it broke off.")
        answered = await at.ask()

        assert answered.status is None
        assert at.outcomes == [ProxyOutcome.BROKEN]


@at_once
async def test_a_request_that_was_passed_on_is_not_passed_on_by_a_follower() -> None:
    async with door() as at:
        await at.stand.follows()
        answered = await at.ask(was_passed_on=True)

        assert answered.headers["podline-replica-refused"] == "not-leading"
        assert at.forwarder.forwarded == []


@at_once
async def test_a_leader_that_leaves_lets_followers_hold_their_requests() -> None:
    async with door() as at:
        await at.stand.leads()
        leaving = asyncio.create_task(at.stand.replica.close())
        await asyncio.sleep(0)
        answered = await at.ask("POST", was_passed_on=True)

        assert answered.headers["podline-replica-refused"] == "not-leading"
        await leaving


@at_once
async def test_a_former_leader_passes_on_what_it_is_sent_until_it_exits() -> None:
    async with door() as at:
        await at.stand.leads()
        leaving = asyncio.create_task(at.stand.replica.close())
        asking = asyncio.create_task(at.ask())
        await at.stand.until(lambda: at.stand.leadership.was_handed_over)
        at.stand.leadership.follows(OTHER)

        assert (await asking).body == OTHER.encode()
        await leaving


@at_once
async def test_a_standby_that_leaves_passes_on_what_it_is_sent_until_it_exits() -> None:
    async with door() as at:
        await at.stand.follows()
        leaving = asyncio.create_task(at.stand.replica.close())
        await asyncio.sleep(1)

        assert (await at.ask()).body == OTHER.encode()
        await leaving


@at_once
async def test_a_standby_that_leaves_while_nobody_leads_answers_what_it_holds() -> None:
    async with door() as at:
        leaving = asyncio.create_task(at.stand.replica.close())
        await asyncio.sleep(LINGER_SECONDS - 2)
        asking = asyncio.create_task(at.ask())
        await held(asking)
        await leaving
        answered = await asking

        assert answered.status == 503
        assert b"shutting_down" in answered.body


@at_once
async def test_a_leader_that_can_not_renew_holds_requests_until_it_can() -> None:
    async with door() as at:
        await at.stand.leads()
        at.stand.leadership.lapses()
        asking = asyncio.create_task(at.ask())
        await held(asking)
        at.stand.leadership.resumes()

        assert (await asking).body == b"served here: "


@at_once
async def test_a_body_that_is_too_large_is_not_held() -> None:
    async with door() as at:
        answered = await at.ask("POST", body=b"x" * (LIMIT + 1))

        assert answered.status == 413


@at_once
async def test_no_more_requests_are_held_than_there_is_memory_for() -> None:
    body = b"x" * 1024 * 1024
    async with door(limit=len(body)) as at:
        bodies = leader_only.MOST_BYTES_HELD // len(body) + 2
        asking = [asyncio.create_task(at.ask("POST", body=body)) for _ in range(bodies)]
        await asyncio.sleep(1)
        refused = [each for each in asking if each.done()]
        at.stand.leadership.leads()
        answers = await asyncio.gather(*asking)

        assert refused
        assert {each.status for each in answers} == {200, 503}
        assert (await at.ask("POST", body=body)).status == 200


@at_once
async def test_the_only_controller_passes_nothing_on_even_while_it_leaves() -> None:
    async with door(is_sole=True) as at:
        leaving = asyncio.create_task(at.stand.replica.close())
        await asyncio.sleep(0)

        assert (await at.ask()).body == b"served here: "
        await leaving
