"""A full run with recognisable secrets and words, and then a look through everything that it left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import CallFailedError, RoomAddress
from sandbox.voice import Voice
from testing.callers.keys import key, write_keys
from testing.processes import Program, Sandbox, answers, bots_of, eventually, free_port
from tests.local.conftest import PROGRAMS

KEY = "key-of-the-web-app-6f1d"
WRONG_KEY = "key-of-nobody-77aa"
SECRET = "signing-secret-e1b0"
CONVEX_TOKEN = "token-of-the-shop-93c4"
USER = "ana.of.the.shop@example.com"
TYPED = "my neighbour plays the xylophone"

SAID = [
    "xylophone",
    "running shoe",
    "trail running",
    "shopping assistant",
    "did not understand",
    "thank you for",
]
"""Words of the caller's and the bot's, and of the products they spoke of."""

EVENT = re.compile(r"[a-z][a-z', ]*[a-z]")
"""Words that are always the same: no number, no name, no address."""


@dataclass
class Run:
    """A controller that asks for keys, and what it has disclosed so far, by where."""

    api: httpx.AsyncClient
    control: httpx.AsyncClient
    voice: Voice
    left: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    sessions: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Make a request, and keep what was answered."""
        answer = await self.api.request(method, path, **request)
        self.left[f"answer {len(self.left)} to {method} {path}"] = f"{answer.headers}\n{answer.text}"
        return answer

    def left_at(self, path: str) -> str:
        return next(text for where, text in self.left.items() if where.endswith(path))

    async def start(self, **fields: Any) -> RoomAddress:
        """Start a session. Only the answer to this may hold the caller's token."""
        answer = await self.api.post("/v1/sessions", json={"user_id": USER, **fields})
        session = answer.raise_for_status().json()
        self.sessions.append(session["id"])
        self.secrets.add(session["room"]["token"])
        self.secrets |= await launch_token(session["id"])
        return RoomAddress(session["room"]["url"], session["room"]["token"])

    @contextlib.asynccontextmanager
    async def call(self) -> AsyncIterator[Caller]:
        room = await self.start()
        async with calling(str(self.api.base_url), self.voice, room=room) as (caller, _):
            await caller.hears_bot()
            yield caller
        await self.ended()

    async def ended(self) -> None:
        path = f"/v1/sessions/{self.sessions[-1]}"

        async def over() -> bool:
            return bool((await self.ask("GET", path)).json()["phase"] in ("ended", "failed"))

        await eventually(over, "the session's end")

    async def misbehave(self, target: str, name: str, **parameters: Any) -> None:
        order = {"target": target, "name": name, **parameters}
        (await self.control.post("/sandbox/behaviour", json=order)).raise_for_status()

    async def follow_events(self) -> None:
        async with self.api.stream("GET", "/v1/events", timeout=None) as stream:
            async for line in stream.aiter_lines():
                self.left["events"] = self.left.get("events", "") + line + "\n"


async def launch_token(session_id: str) -> set[str]:
    """What the session's bot shows the controller, from the only file that holds it."""

    async def found() -> set[str]:
        tokens = set()
        for bot in bots_of(session_id):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                environment = Path(f"/proc/{bot}/environ").read_text()  # noqa: ASYNC240 - takes no time
                tokens |= set(re.findall(r"PODLINE_LAUNCH_TOKEN=([^\0]+)", environment))
        return tokens

    return await eventually(found, "the bot's launch token")


@pytest.fixture
async def run(
    sandbox: Sandbox, tmp_path: Path, voice: Voice, pytestconfig: pytest.Config
) -> AsyncIterator[Run]:
    """A controller with keys; afterwards its log is in `left` as well."""
    (tmp_path / "work").mkdir()
    port = free_port()
    variables = {
        **sandbox.variables,
        "CONVEX_TOKEN": CONVEX_TOKEN,
        "PODLINE_KEYS_FILE": write_keys(tmp_path, key("web", "admin", text=KEY)),
        "PODLINE_SECRET": SECRET,
        "PODLINE_PORT": str(port),
        "PODLINE_GRACE_SECONDS": "3",
        "TMPDIR": str(tmp_path / "work"),
    }
    program = Program.start("controller", [sys.executable, "-m", "controller", "serve"], tmp_path, variables)
    pytestconfig.stash[PROGRAMS].append(program)
    url = f"http://127.0.0.1:{port}"
    try:
        await asyncio.to_thread(program.wait_until, lambda: answers(f"{url}/readyz"))
        bearer = {"Authorization": f"Bearer {KEY}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=bearer, timeout=40) as api,
            httpx.AsyncClient(base_url=sandbox.store_url) as control,
        ):
            secrets = {KEY, WRONG_KEY, SECRET, CONVEX_TOKEN, sandbox.variables["GOOGLE_API_KEY"]}
            secrets.add(sandbox.variables["PODLINE_STORE_SECRET"])
            yield Run(api, control, voice, secrets=secrets)
    finally:
        await asyncio.to_thread(program.stop)


async def test_no_secret_and_nothing_that_was_said_is_left_anywhere(run: Run, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(run.follow_events())
        await go_through_calls(run)
        await ask_what_is_refused(run)
        await ask_for_everything(run)
        following.cancel()
    for path in files_below(tmp_path):
        run.left[str(path.relative_to(tmp_path))] = path.read_text(errors="replace")

    # What is looked for was there to be found, and what is looked through is what the run left.
    saved = await run.control.get("/sandbox/transcripts", params={"sessionId": run.sessions[0]})
    assert all(words in saved.text.lower() for words in SAID), saved.text
    assert len(run.secrets) == 6 + 2 * len(run.sessions)
    assert {"events", "controller.log"} <= set(run.left)
    assert any("last-word" in name for name in run.left)
    assert "search failed" in run.left_at(f"GET /v1/sessions/{run.sessions[0]}/logs")
    everything = "\n".join(run.left.values())
    assert all(session_id in everything for session_id in run.sessions)

    assert found_in(run.left, run.secrets) == []
    assert found_in(run.left, SAID) == []


async def test_each_line_of_a_run_is_an_event_of_its_session_and_names_no_caller(
    run: Run, tmp_path: Path
) -> None:
    await go_through_calls(run)
    await ask_what_is_refused(run)
    await ask_for_everything(run)
    of_controller = [json.loads(line) for line in (tmp_path / "controller.log").read_text().splitlines()]
    of_bots = {
        session_id: [
            json.loads(line) for line in run.left_at(f"GET /v1/sessions/{session_id}/logs").splitlines()[1:]
        ]
        for session_id in run.sessions
    }
    everything = [*of_controller, *(line for lines in of_bots.values() for line in lines)]

    assert [line for line in everything if not is_well_formed(line)] == []
    for session_id, lines in of_bots.items():
        assert {line["session_id"] for line in lines} <= {session_id}
    # Where it listens and which agents it has is the controller's own affair; all else is about a session.
    ours = [
        line
        for line in of_controller
        if line["logger"].startswith("podline.") and line["event"] not in ("listening", "agent deployed")
    ]
    assert {line.get("session_id") for line in ours} == set(run.sessions)
    # What happened is logged: a start, an end on request, one that was ordered, a crash and a refused key.
    ended = {line["reason"] for line in ours if line["event"] == "session ended"}
    assert ended == {"completed", "vanished", "model_refused", "stopped"}
    logged = {line["event"] for lines in of_bots.values() for line in lines}
    assert {"call ending", "search failed", "change failed"} <= logged
    assert found_in({"the lines": json.dumps(everything)}, {USER, *run.secrets, *SAID}) == []


def is_well_formed(line: dict[str, Any]) -> bool:
    """Whether a line has all that each must have, and an event that holds no data."""
    return (
        datetime.fromisoformat(line["at"]).utcoffset() == timedelta(0)
        and line["level"] in ("info", "warning", "error", "critical")
        and line["logger"] != ""
        and EVENT.fullmatch(line["event"]) is not None
    )


async def go_through_calls(run: Run) -> None:
    """Calls that go well and calls that do not, in one of which everything is said."""
    async with run.call() as caller:
        await caller.bot_quiet()
        await caller.say("find running shoes")
        await caller.bot_says("Trail running")
        caller.write(TYPED)
        await caller.bot_says("did not understand")
        await run.misbehave("store", "fail", status=500, path="/searchProductsByVoice", times=3)
        caller.write("find running shoes")
        await caller.bot_says("not answering")
        await run.misbehave("store", "malformed", path="/saveProductByNumber")
        caller.write("save product two")
        await caller.bot_says("not answering")
        await run.misbehave("model", "drop", now=True)
        caller.write("find running shoes")
        await caller.message(lambda message: message.is_server_message("products_found"))
        caller.write("goodbye for now")
        await caller.bot_says("Thank you for")
        await caller.bot_leaves()
    async with run.call() as caller:
        caller.write("find running shoes")
        await caller.message(lambda message: message.is_server_message("products_found"))
        for bot in bots_of(run.sessions[-1]):
            os.kill(bot, signal.SIGKILL)
        await run.ended()
    await run.misbehave("model", "refuse_key")
    room = await run.start()
    # The bot may leave before it has said that it is ready.
    with contextlib.suppress(CallFailedError):
        async with calling(str(run.api.base_url), run.voice, room=room) as (caller, _):
            await caller.bot_leaves()
    await run.ended()


async def ask_what_is_refused(run: Run) -> None:
    """Problem documents, of requests that hold what must not come back."""
    room = await run.start()
    offer = {"sdp": f"m=audio {TYPED}", "type": "offer"}
    bearer = {"Authorization": f"Bearer {room.token}"}
    refused = [
        await run.ask("GET", "/v1/sessions", headers={"Authorization": f"Bearer {WRONG_KEY}"}),
        await run.ask("GET", "/v1/sessions", headers={"Authorization": WRONG_KEY}),
        await run.ask("POST", f"/sessions/{run.sessions[-1]}/api/offer", json=offer, headers=bearer),
        await run.ask("POST", "/v1/sessions", json={"user_id": "ana", "token": CONVEX_TOKEN}),
        await run.ask("POST", "/v1/sessions", json={"user_id": ["ana", SECRET]}),
        await run.ask(
            "POST", "/start-agent", json={"room_url": "nowhere", "token": SECRET, "user_id": "ana"}
        ),
    ]
    assert all(answer.is_client_error for answer in refused), [answer.status_code for answer in refused]
    await run.ask("DELETE", f"/v1/sessions/{run.sessions[-1]}")
    await run.ended()


async def ask_for_everything(run: Run) -> None:
    for session_id in run.sessions:
        await run.ask("GET", f"/v1/sessions/{session_id}")
        await run.ask("GET", f"/v1/sessions/{session_id}/logs")
    for path in ("/v1/sessions", "/agents", "/health", "/livez", "/readyz", "/metrics", "/openapi.json"):
        await run.ask("GET", path)


def files_below(directory: Path) -> list[Path]:
    """All files, but for the keys' own, which holds no more than hashes."""
    return [path for path in directory.rglob("*") if path.is_file()]


def found_in(left: dict[str, str], words: Iterable[str]) -> list[str]:
    return [
        f"{word!r} in {where}"
        for where, text in left.items()
        for word in words
        if word.lower() in text.lower()
    ]
