"""Requests that are passed on to a leader that is there, is not, or goes away in between."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Scope

from controller.replicas.forwarding import AnswerBroken, Forwarder, LeaderUnreachable

PATIENCE_SECONDS = 10
OK = b"HTTP/1.1 200 OK\r\n"
Script = Callable[["Line"], Awaitable[None]]


class Line:
    """A leader's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> list[bytes]:
        """Read a request's head: its first line, and its fields."""
        return (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def leading(script: Script, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """A leader that does what the script says on each connection; yields its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(Line(reader, writer))
        writer.close()

    async with await asyncio.start_server(serve, host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Asking:
    """A client of ours, as ASGI shows it."""

    def __init__(self, method: str = "GET", path: bytes = b"/", query: bytes = b"", **fields: bytes) -> None:
        self.scope: Scope = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "headers": [(name.replace("_", "-").encode(), value) for name, value in fields.items()],
            "client": ("203.0.113.1", 50_000),
            "server": ("127.0.0.1", 7860),
        }
        self.gone = asyncio.Event()
        self.got: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.got.put(message)

    async def ask(self, forwarder: Forwarder, address: str, body: bytes = b"") -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await forwarder.forward(self.scope, body, self.receive, self.send, address, "public")

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.got.get()

    def all(self) -> tuple[Message, bytes]:
        """The head of the complete answer, and its body."""
        messages = [self.got.get_nowait() for _ in range(self.got.qsize())]
        assert [each["more_body"] for each in messages[1:]] == [True] * (len(messages) - 2) + [False]
        return messages[0], b"".join(each["body"] for each in messages[1:])


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    async with Forwarder("token of ours") as forwarder:
        yield forwarder


async def answered(forwarder: Forwarder, answer: bytes, asking: Asking) -> tuple[Message, bytes]:
    """Ask a leader that answers with these bytes and closes; return what the client gets."""

    async def script(line: Line) -> None:
        await line.head()
        await line.say(answer)

    async with leading(script) as address:
        await asking.ask(forwarder, address)
    return asking.all()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_request_is_passed_on_as_it_came_but_for_what_is_between_two_servers(
    forwarder: Forwarder, host: str
) -> None:
    heads: list[list[bytes]] = []
    bodies: list[bytes] = []

    async def script(line: Line) -> None:
        heads.append(await line.head())
        bodies.append(await line.reader.readexactly(4))
        await line.say(OK + b"Content-Length: 0\r\n\r\n")

    asking = Asking(
        "PATCH",
        b"//a/%2e%2e/b%2F%C3%A9;c",
        b"d=%zz&&e=+%20",
        host=b"voice.example.com",
        connection=b"keep-alive",
        keep_alive=b"timeout=5",
        te=b"trailers",
        transfer_encoding=b"chunked",
        upgrade=b"h2c",
        expect=b"100-continue",
        x_forwarded_for=b"192.0.2.1",
        podline_replica_client=b"192.0.2.2",
        podline_replica_other=b"1",
        cookie=b"a=b",
    )
    asking.scope["headers"] += [(b"accept", b"a"), (b"accept", "ü".encode())]
    async with leading(script, host) as address:
        await asking.ask(forwarder, address, b"body")

    first, *fields = heads[0]
    assert first == b"PATCH //a/%2e%2e/b%2F%C3%A9;c?d=%zz&&e=+%20 HTTP/1.1"
    assert sorted(each.lower() for each in fields) == sorted(
        [
            b"host: voice.example.com",
            b"x-forwarded-for: 192.0.2.1",
            b"cookie: a=b",
            b"accept: a",
            b"accept: " + "ü".encode(),
            b"content-length: 4",
            b"podline-replica-token: token of ours",
            b"podline-replica-listener: public",
            b"podline-replica-client: 203.0.113.1",
            b"podline-replica-scheme: https",
        ]
    )
    assert bodies == [b"body"]


async def test_a_client_without_host_or_address_gains_none(forwarder: Forwarder) -> None:
    heads: list[list[bytes]] = []

    async def script(line: Line) -> None:
        heads.append([each.lower() for each in await line.head()])
        await line.say(OK + b"Content-Length: 0\r\n\r\n")

    asking = Asking()
    asking.scope["client"] = None
    async with leading(script) as address:
        await asking.ask(forwarder, address)

    names = {each.partition(b":")[0]: each for each in heads[0][1:]}
    assert names[b"host"].strip() == b"host:"
    assert b"podline-replica-client" not in names


async def test_an_answer_comes_back_as_it_was_but_for_what_is_between_two_servers(
    forwarder: Forwarder,
) -> None:
    packed = gzip.compress(b"body")
    head, body = await answered(
        forwarder,
        OK
        + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\nDate: yesterday\r\n"
        + b"Connection: close\r\nKeep-Alive: timeout=5\r\nPodline-Replica-Other: 1\r\nX-Odd: \xe9\r\n"
        + b"Content-Length: %d\r\n\r\n" % len(packed)
        + packed,
        Asking(),
    )

    assert head["headers"] == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-encoding", b"gzip"),
        (b"x-odd", b"\xe9"),
        (b"content-length", b"%d" % len(packed)),
    ]
    assert body == packed


@pytest.mark.parametrize(
    ("method", "answer", "status", "fields"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n", 200, [(b"content-length", b"5")]),
        ("GET", b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", 204, [(b"a", b"b")]),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: e\r\n\r\n", 304, [(b"etag", b"e")]),
        (
            "GET",
            b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n",
            302,
            [(b"location", b"/a"), (b"content-length", b"0")],
        ),
    ],
)
async def test_answers_without_a_body_are_complete(
    forwarder: Forwarder, method: str, answer: bytes, status: int, fields: list[tuple[bytes, bytes]]
) -> None:
    head, body = await answered(forwarder, answer, Asking(method))

    assert (head["status"], head["headers"], body) == (status, fields, b"")


async def test_pieces_are_passed_on_as_they_arrive_however_long_that_takes(forwarder: Forwarder) -> None:
    more = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await line.say(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two"):
            await more.wait()
            more.clear()
            await line.say(b"3\r\n" + piece + b"\r\n")
        await more.wait()
        await line.say(b"0\r\n\r\n")

    asking = Asking()
    async with leading(script) as address:
        asked = asyncio.create_task(asking.ask(forwarder, address))
        assert (await asking.next())["type"] == "http.response.start"
        for piece in (b"one", b"two"):
            more.set()
            assert await asking.next() == {"type": "http.response.body", "body": piece, "more_body": True}
        assert not asked.done()
        more.set()
        assert not (await asking.next())["more_body"]
        await asked


@pytest.mark.parametrize("said", [b"", OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"])
async def test_the_leader_sees_that_a_client_has_gone_whether_or_not_it_has_answered(
    forwarder: Forwarder, said: bytes
) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await line.say(said)
        asked.set()
        assert await line.reader.read() == b""
        closed.set()

    asking = Asking()
    async with leading(script) as address, asyncio.timeout(PATIENCE_SECONDS):
        under_way = asyncio.create_task(asking.ask(forwarder, address))
        await asked.wait()
        if said:
            await asking.next()
        asking.gone.set()
        await under_way
        await closed.wait()


async def test_a_leader_that_is_not_there_was_sent_nothing(forwarder: Forwarder) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        asking = Asking("POST")
        with pytest.raises(LeaderUnreachable) as caught:
            await asking.ask(forwarder, f"127.0.0.1:{taken.getsockname()[1]}", b"body")
    assert not caught.value.was_sent
    assert asking.got.empty()


async def test_a_leader_that_accepts_no_connection_is_given_up_soon_and_was_sent_nothing(
    forwarder: Forwarder,
) -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            other = waiting.enter_context(socket.socket())
            other.settimeout(0)
            other.connect_ex(deaf.getsockname())
        asking = Asking("POST")
        with pytest.raises(LeaderUnreachable) as caught:
            await asking.ask(forwarder, f"127.0.0.1:{deaf.getsockname()[1]}", b"body")
    assert not caught.value.was_sent


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 O", b"nonsense\r\n\r\n"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_leader_that_goes_before_it_has_answered_may_have_served_the_request(
    forwarder: Forwarder, method: str, said: bytes
) -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.say(said)

    asking = Asking(method)
    async with leading(script) as address:
        with pytest.raises(LeaderUnreachable) as caught:
            await asking.ask(forwarder, address)
    assert caught.value.was_sent
    assert asking.got.empty()


async def test_a_leader_that_went_with_a_request_on_a_kept_connection_may_have_served_it(
    forwarder: Forwarder,
) -> None:
    stopping = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await line.say(OK + b"Content-Length: 0\r\n\r\n")
        await line.head()
        stopping.set()
        server.close()
        line.reset()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(Line(reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await Asking().ask(forwarder, address)
    # aiohttp repeats such a request on a connection of its own, which is refused.
    with pytest.raises(LeaderUnreachable) as caught:
        await Asking("DELETE").ask(forwarder, address)
    assert stopping.is_set()
    assert caught.value.was_sent


@pytest.mark.parametrize(
    "said",
    [
        b"Content-Length: 10\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf",
    ],
)
@pytest.mark.parametrize("is_reset", [True, False])
async def test_half_an_answer_is_never_completed(
    forwarder: Forwarder, said: bytes, *, is_reset: bool
) -> None:
    passed_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await line.say(OK + said)
        await passed_on.wait()
        if is_reset:
            line.reset()

    asking = Asking()
    async with leading(script) as address:
        under_way = asyncio.create_task(asking.ask(forwarder, address))
        messages = [await asking.next(), await asking.next()]
        passed_on.set()
        with pytest.raises(AnswerBroken):
            await under_way
    assert [each.get("more_body", True) for each in messages] == [True, True]
    assert asking.got.empty()


async def test_requests_to_a_leader_that_was_deposed_break_off_and_others_go_on(forwarder: Forwarder) -> None:
    async def answer_half(line: Line) -> None:
        if b"GET /held" not in (await line.head())[0]:
            await line.say(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await line.reader.read()

    async with leading(answer_half) as former, leading(answer_half) as later:
        half, held, other = Asking(), Asking(path=b"/held"), Asking()
        asked = [
            asyncio.create_task(asking.ask(forwarder, address))
            for asking, address in ((half, former), (held, former), (other, later))
        ]
        await half.next()
        await other.next()
        forwarder.break_off(former)
        broken, unreachable = await asyncio.gather(*asked[:2], return_exceptions=True)
        assert isinstance(broken, AnswerBroken)
        assert isinstance(unreachable, LeaderUnreachable)
        assert not asked[2].done()
        other.gone.set()
        await asked[2]


async def test_an_event_stream_that_breaks_off_ends_as_it_should(forwarder: Forwarder) -> None:
    async def answer_half(line: Line) -> None:
        await line.head()
        head = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await line.say(OK + head + b"4\r\nhalf\r\n")
        line.reset()

    asking = Asking()
    async with leading(answer_half) as address:
        await asking.ask(forwarder, address)
    messages = [asking.got.get_nowait() for _ in range(asking.got.qsize())]
    assert messages[-1]["more_body"] is False


async def test_a_controller_that_leaves_ends_what_may_last_and_nothing_else(forwarder: Forwarder) -> None:
    may_answer, asked, count = asyncio.Event(), asyncio.Event(), itertools.count(1)

    async def script(line: Line) -> None:
        await line.head()
        if next(count) == 2:
            asked.set()
        await may_answer.wait()
        await line.say(OK + b"Content-Length: 0\r\n\r\n")

    async with leading(script) as address:
        polling = asyncio.create_task(Asking().ask(forwarder, address))
        starting = asyncio.create_task(Asking("POST").ask(forwarder, address))
        await asked.wait()
        forwarder.end_long_ones()
        assert not polling.done()
        # Longer than a moment.
        await asyncio.sleep(1.1)
        forwarder.end_long_ones()
        with pytest.raises(LeaderUnreachable):
            await polling
        may_answer.set()
        await starting


async def test_a_leader_that_refuses_to_serve_us_was_not_asked_for_the_client(forwarder: Forwarder) -> None:
    with pytest.raises(LeaderUnreachable) as caught:
        await answered(
            forwarder,
            b"HTTP/1.1 401 Unauthorized\r\nPodline-Replica-Refused: token\r\nContent-Length: 0\r\n\r\n",
            Asking("POST"),
        )
    assert not caught.value.was_sent


async def test_connections_are_kept_and_used_again(forwarder: Forwarder) -> None:
    lines: list[Line] = []

    async def script(line: Line) -> None:
        lines.append(line)
        while True:
            await line.head()
            await line.say(OK + b"Content-Length: 2\r\n\r\nok")

    async with leading(script) as address:
        for _ in range(3):
            await Asking().ask(forwarder, address)
        many = [Asking() for _ in range(60)]
        await asyncio.gather(*(asking.ask(forwarder, address) for asking in many))
        assert {asking.all()[1] for asking in many} == {b"ok"}
        assert len(lines) <= 60


async def test_what_is_under_way_when_it_is_closed_or_cancelled_leaves_nothing_behind() -> None:
    asked = asyncio.Event()
    before = asyncio.all_tasks()

    async def script(line: Line) -> None:
        await line.head()
        asked.set()
        await line.reader.read()

    async with leading(script) as address:
        async with Forwarder("token") as forwarder:
            under_way = asyncio.create_task(Asking().ask(forwarder, address))
            await asked.wait()
            under_way.cancel()
            await asyncio.gather(under_way, return_exceptions=True)
            assert under_way.cancelled()
        with pytest.raises(LeaderUnreachable) as caught:
            await Asking().ask(forwarder, address)
        assert not caught.value.was_sent
    names: Any = {each.get_coro().__qualname__ for each in asyncio.all_tasks() - before}  # type: ignore[union-attr]
    assert not any("Forwarder" in name or "_until_gone" in name for name in names)
