"""`podline room`, against the sandbox's Daily."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.rooms.daily import api as daily_api
from controller.rooms.daily.api import DailyError
from controller.rooms.daily.command import make_meeting
from sandbox.daily.server import DailyServer, create_daily_app
from sandbox.daily.tokens import read_token
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port

KEY = "sandbox-key"


class Site:
    """Daily, and the variables that lead to it."""

    def __init__(self, daily: DailyServer, url: str) -> None:
        self.daily = daily
        self.variables = {"DAILY_API_KEY": KEY, "DAILY_API_URL": url}

    async def order(self, name: str, **parameters: Any) -> None:
        await self.daily.orders.add(json.dumps({"target": "daily", "name": name, **parameters}).encode())

    async def complaint(self, key: str | None = None) -> str:
        with pytest.raises(DailyError) as refusal:
            await make_meeting(key, self.variables, time.time())
        return str(refusal.value)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    daily = DailyServer(KEY, time.time, time.monotonic)
    async with TestServer(create_daily_app(daily)) as server:
        yield Site(daily, str(server.make_url("/v1")))


async def run(directory: Path, *arguments: str, **variables: str) -> tuple[int | None, str, str]:
    """Run the command in a directory, with no variables of ours but these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAILY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller", "room", *arguments),
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[4]), **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, complained = await process.communicate()
    return process.returncode, said.decode(), complained.decode()


async def test_a_shell_gets_the_bots_variables_and_a_person_the_callers_link(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"DAILY_API_KEY={KEY}\nDAILY_API_URL=https://overruled.example\n")
    code, said, comment = await run(tmp_path, DAILY_API_URL=site.variables["DAILY_API_URL"])

    assert code == 0, comment
    variables = dict(line.split("=", 1) for line in said.splitlines())
    assert list(variables) == ["DAILY_ROOM_URL", "DAILY_TOKEN"]
    assert comment.startswith("# A room for 60 minutes. ")
    [link] = [word for word in comment.split() if word.startswith("https://")]
    url, caller_token = link.split("?t=")
    assert url == variables["DAILY_ROOM_URL"]
    bot, caller = (read_token(token, KEY, time.time()) for token in (variables["DAILY_TOKEN"], caller_token))
    assert (bot["is_owner"], caller.get("is_owner", False)) == (True, False)
    assert url.endswith(f"/{bot['room_name']}")
    assert url.endswith(f"/{caller['room_name']}")


async def test_without_a_room_a_shell_gets_nothing_and_nobody_the_key(site: Site, tmp_path: Path) -> None:
    code, said, complaint = await run(tmp_path, "-k", "a-wrong-key", **site.variables)

    assert (code, said, complaint) == (
        1,
        "",
        "podline: Daily did not accept the key; check it at https://dashboard.daily.co/developers.\n",
    )


async def test_the_room_is_private_small_and_puts_everybody_out_in_time(site: Site) -> None:
    now = time.time()
    meeting = await make_meeting(None, site.variables, now)

    room = site.daily.rooms.get(meeting.room_url.rpartition("/")[2])
    assert (room.privacy, room.config.max_participants) == ("private", 3)
    assert (room.config.exp, room.config.eject_at_room_exp) == (int(now) + 3600, True)
    for token in (meeting.bot_token, meeting.caller_token):
        held = read_token(token, KEY, now)
        assert held["exp"] == room.config.exp
        assert not {"eject_at_token_exp", "eject_after_elapsed"} & set(held), "it would override the room's"


async def test_a_key_of_the_command_line_goes_before_the_environments(site: Site) -> None:
    site.variables["DAILY_API_KEY"] = "wrong"
    assert (await make_meeting(KEY, site.variables, time.time())).bot_token


@pytest.mark.parametrize("variables", [{}, {"DAILY_API_KEY": "  "}])
async def test_without_a_key_it_says_where_to_get_one(variables: dict[str, str]) -> None:
    with pytest.raises(DailyError) as refusal:
        await make_meeting(None, variables, time.time())
    assert str(refusal.value) == (
        "DAILY_API_KEY is not set; get a key from https://dashboard.daily.co/developers, or pass one with -k."
    )


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        (
            "rate_limit",
            {},
            "Daily received too many requests with this key; try again after 1 s.",
        ),
        (
            "status",
            {"status": 429},
            "Daily received too many requests with this key; try again in a few seconds.",
        ),
        (
            "status",
            {"status": 502},
            "Daily failed with status 502; try again, or look at https://status.daily.co.",
        ),
        ("status", {"status": 400}, "Daily refused with status 400: Daily was ordered to fail."),
        (
            "malformed",
            {},
            "Daily's answer cannot be read; check that DAILY_API_URL is the address of Daily's API.",
        ),
        (
            "status",
            {"status": 503, "path": "/meeting-tokens"},
            "Daily failed with status 503; try again, or look at https://status.daily.co.",
        ),
    ],
)
async def test_what_daily_gets_wrong_is_a_sentence(
    site: Site, name: str, parameters: dict[str, Any], sentence: str
) -> None:
    await site.order(name, **parameters)
    assert await site.complaint() == sentence


@pytest.mark.parametrize(
    "room",
    [
        {"name": "lamp", "url": "https://a.example/lamp LD_PRELOAD=/tmp/x"},
        {"name": "lamp", "url": "https://a.example/$(id)"},
        {"name": "lamp"},
        [],
    ],
)
async def test_an_answer_that_a_shell_would_take_for_more_is_none(room: object) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(room)

    app = web.Application()
    app.router.add_post("/rooms", answer)
    async with TestServer(app) as server:
        site = Site(DailyServer(KEY, time.time, time.monotonic), str(server.make_url("")))
        assert (await site.complaint()).startswith("Daily's answer cannot be read;")


async def test_a_daily_that_does_not_answer_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_api, "TIMEOUT_SECONDS", 0.05)
    await site.order("slow", seconds=5)
    assert await site.complaint() == (
        "Daily did not answer within 0.05 seconds; try again, or check the network."
    )


async def test_a_daily_that_is_not_there_is_named() -> None:
    site = Site(DailyServer(KEY, time.time, time.monotonic), f"http://127.0.0.1:{free_port()}/v1")
    assert await site.complaint() == (
        "Daily could not be reached (ConnectError); check the network and DAILY_API_URL."
    )


@pytest.mark.parametrize(
    "url", ["http://api.daily.co/v1", "daily", "ftp://127.0.0.1", "https://", "http://[x"]
)
async def test_a_key_is_sent_only_where_nobody_reads_it(url: str) -> None:
    site = Site(DailyServer(KEY, time.time, time.monotonic), url)
    assert await site.complaint() == (
        "DAILY_API_URL is not an https address (or an http one of this machine); "
        "leave it out for https://api.daily.co/v1."
    )


async def test_a_key_with_a_line_break_is_no_key(site: Site) -> None:
    assert await site.complaint(f"{KEY}\n{KEY}") == (
        "The Daily API key has characters that no key has; copy it again."
    )
