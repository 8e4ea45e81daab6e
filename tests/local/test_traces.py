"""A spoken call as a real OTLP receiver gets to see it; and calls whose receiver is of no use."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.persona import load_persona
from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.processes import Program, Sandbox, answers, ended_session, eventually, free_port
from testing.servers.collector import Span, collector
from tests.local.conftest import PROGRAMS

TRACE = "0af7651916cd43dd8448eb211c80319c"
WEB_APP = "b7ad6b7169203331"
WEB_APP_HEADERS = {"traceparent": f"00-{TRACE}-{WEB_APP}-01", "tracestate": "shop=7"}

USER = "ana-of-maple-street"
METADATA = "note-of-the-web-app-51d2"
CONVEX_TOKEN = "token-of-the-shop-93c4"
SECRET = "signing-secret-e1b0"
RECEIVER_KEY = "key-of-the-receiver-77ab"
TYPED = "my neighbour plays the xylophone"
SAID = ("running shoe", "one hundred", "trail running", "xylophone", "did not understand", "product two")
"""Words of the caller's and the bot's, and arguments and results of tools."""

LOST = "traces not delivered"


@dataclass(frozen=True)
class ReceivedTrace:
    """One spoken call, and all that its receiver was sent."""

    session: dict[str, Any]
    spans: list[Span]
    wire: str
    room: RoomAddress

    def one(self, name: str) -> Span:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def all(self, prefix: str) -> list[Span]:
        return sorted(
            (span for span in self.spans if span.name.startswith(prefix)), key=lambda span: span.began
        )


@contextlib.asynccontextmanager
async def traced_controller(
    sandbox: Sandbox, directory: Path, endpoint: str, programs: list[Program]
) -> AsyncIterator[tuple[httpx.AsyncClient, Program]]:
    variables = {
        **sandbox.variables,
        "CONVEX_TOKEN": CONVEX_TOKEN,
        "PODLINE_SECRET": SECRET,
        "PODLINE_PORT": str(free_port()),
        "PODLINE_GRACE_SECONDS": "3",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-receiver-key={RECEIVER_KEY}",
    }
    program = Program.start("controller", [sys.executable, "-m", "controller", "serve"], directory, variables)
    programs.append(program)
    url = f"http://127.0.0.1:{variables['PODLINE_PORT']}"
    try:
        await asyncio.to_thread(program.wait_until, lambda: answers(f"{url}/readyz"))
        async with httpx.AsyncClient(base_url=url, timeout=40) as api:
            yield api, program
    finally:
        await asyncio.to_thread(program.stop)


async def start(api: httpx.AsyncClient, **headers: str) -> tuple[str, RoomAddress]:
    order = {"user_id": USER, "metadata": {"note": METADATA}}
    session = (await api.post("/v1/sessions", json=order, headers=headers)).raise_for_status().json()
    return session["id"], RoomAddress(session["room"]["url"], session["room"]["token"])


async def spoken_call(api: httpx.AsyncClient) -> tuple[dict[str, Any], RoomAddress]:
    session_id, room = await start(api, **WEB_APP_HEADERS)
    async with calling(str(api.base_url), Voice(), room=room) as (caller, _):
        await caller.hears_bot()
        await caller.bot_quiet()
        await caller.say("find running shoes under one hundred dollars")
        await caller.message(lambda message: message.is_server_message("products_found"))
        await caller.hears_bot()
        await caller.bot_quiet()
        await caller.say("save product two")
        await caller.message(lambda message: message.is_server_message("product_saved"))
        await caller.hears_bot()
        await caller.bot_quiet()
        caller.write(TYPED)
        await caller.bot_says("did not understand")
    return await eventually(lambda: ended_session(api, session_id), "the session's end"), room


@pytest.fixture(scope="module")
def traced(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ReceivedTrace]:
    """What a receiver has, once controller and bot have gone."""
    directory, programs = tmp_path_factory.mktemp("traced"), pytestconfig.stash[PROGRAMS]
    (directory / "work").mkdir()

    async def hold(endpoint: str) -> tuple[dict[str, Any], RoomAddress]:
        async with traced_controller(sandbox, directory / "work", endpoint, programs) as (api, _):
            return await spoken_call(api)

    with collector(directory) as receiver:
        session, room = asyncio.run(hold(receiver.endpoint))
        yield ReceivedTrace(session, receiver.spans(), receiver.received.read_text(encoding="utf-8"), room)


def test_one_call_is_one_trace_from_the_web_app_to_the_bot_s_turns_and_tools(traced: ReceivedTrace) -> None:
    assert {span.trace for span in traced.spans} == {TRACE}
    assert {span.service for span in traced.spans} == {"podline-controller", "podline-bot"}

    request, launch = traced.one("POST /v1/sessions"), traced.one("launch bot")
    conversation = traced.one("conversation")
    turns = traced.all("turn")
    assert request.parent == WEB_APP
    assert traced.one("make room").parent == launch.parent == traced.one("session").parent == request.id
    assert conversation.parent == launch.id
    assert {turn.parent for turn in turns} == {conversation.id}
    assert len(turns) >= 3
    of_model = traced.all("llm_response")
    assert len(of_model) >= 3
    tools = traced.all("execute_tool")
    assert [tool.name for tool in tools] == ["execute_tool search_products", "execute_tool save_product"]
    assert [tool.parent for tool in tools] == [turns[1].id, turns[2].id]
    assert {span.parent for span in of_model} <= {span.id for span in (*turns, conversation)}


def test_its_moments_are_in_order(traced: ReceivedTrace) -> None:
    request, launch, session = (traced.one(name) for name in ("POST /v1/sessions", "launch bot", "session"))
    conversation, turns = traced.one("conversation"), traced.all("turn")

    assert request.began <= launch.began <= launch.ended <= request.ended
    assert launch.began < conversation.began < turns[0].began
    assert [turn.ended for turn in turns[:-1]] <= [turn.began for turn in turns[1:]]
    assert turns[-1].ended <= conversation.ended <= session.ended
    stages = ["launched", "scheduled", "process_up", "joined", "caller_joined", "first_speech"]
    assert list(session.events) == stages
    moments = [session.began, *session.events.values(), session.ended]
    assert moments == sorted(moments)
    for tool in traced.all("execute_tool"):
        assert any(turn.began < tool.began < tool.ended < turn.ended for turn in turns)


def test_it_has_the_tokens_latencies_and_the_end(traced: ReceivedTrace) -> None:
    answered = [
        span.attributes for span in traced.all("turn") if span.attributes["turn.number"] in ("2", "3")
    ]
    assert all(0 < turn["turn.user_bot_latency_seconds"] < 10 for turn in answered)
    responses = [span.attributes for span in traced.all("llm_response")]
    [model] = traced.session["usage"]["models"].values()
    for name, total in {"input": "prompt_tokens", "output": "completion_tokens"}.items():
        assert sum(int(each[f"gen_ai.usage.{name}_tokens"]) for each in responses) == model[total]
    session = traced.one("session").attributes
    assert session["podline.session.reason"] == traced.session["reason"] == "caller_left"
    assert session["podline.session.id"] == traced.session["id"]
    assert traced.one("conversation").attributes["conversation.id"] == traced.session["id"]
    assert not any(span.has_failed for span in traced.spans)


def test_nothing_that_was_said_no_person_and_no_secret_reaches_the_receiver(
    traced: ReceivedTrace, sandbox: Sandbox
) -> None:
    persona = load_persona(None)
    sentences = [line for line in persona.instructions.splitlines() if len(line) > 20]
    forbidden = {
        *SAID,
        *sentences,
        USER,
        METADATA,
        CONVEX_TOKEN,
        SECRET,
        RECEIVER_KEY,
        traced.room.url,
        sandbox.variables["GOOGLE_API_KEY"],
        sandbox.variables["CONVEX_URL"],
    }

    assert sentences
    assert traced.room.token is not None
    assert traced.session["id"] in traced.wire
    assert [word for word in (*forbidden, traced.room.token) if word.lower() in traced.wire.lower()] == []


@contextlib.asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """An address at which nobody listens."""
    yield f"http://127.0.0.1:{free_port()}"


@contextlib.asynccontextmanager
async def mute_receiver() -> AsyncIterator[str]:
    """A receiver that takes what it is sent, and never answers."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(64 * 1024):
                pass
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("receiver", [nobody, mute_receiver])
async def test_a_receiver_of_no_use_disturbs_no_call(
    sandbox: Sandbox, tmp_path: Path, voice: Voice, pytestconfig: pytest.Config, receiver: Any
) -> None:
    programs = pytestconfig.stash[PROGRAMS]
    async with (
        receiver() as endpoint,
        traced_controller(sandbox, tmp_path, endpoint, programs) as (api, program),
    ):
        session_id, room = await start(api)
        async with calling(str(api.base_url), voice, room=room) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()
            caller.write("save product two")
            await caller.hears_bot()
            await caller.bot_quiet()
            caller.write("goodbye for now")
            await caller.bot_leaves()
        session = await eventually(lambda: ended_session(api, session_id), "the session's end")
        log = (await api.get(f"/v1/sessions/{session_id}/logs")).text

    assert session["reason"] == "completed"
    assert session["usage"]["partial"] is False
    assert log.count(LOST) <= 1
    assert program.said().count(LOST) <= 1
    assert LOST in log + program.said()
    for text in (log, program.said()):
        assert RECEIVER_KEY not in text
        assert endpoint not in text
