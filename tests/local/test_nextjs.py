"""Calls from the example web app: its page in a real browser, its server, controller, bot and store."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.async_api import expect

from testing.builds import web_example as example
from testing.callers.browsing import opened, speaking
from testing.callers.example_page import find_and_save, hang_up, start_talking
from testing.callers.keys import key, write_keys
from testing.leaving_out import leave_out
from testing.processes import Program, Sandbox, answers, ended_session, eventually, free_port
from tests.local.conftest import PROGRAMS

KEY = "the-shop's-own-key"
SCOPES = ["start", "read", "stop"]


class Shop(NamedTuple):
    """The running web app, and the addresses its page may talk to besides its own."""

    url: str
    partners: tuple[str, ...]


@pytest.fixture(scope="module")
def built() -> None:
    try:
        example.build()
    except example.NodeUnavailableError as error:
        leave_out(str(error))


def variables_of_rooms(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """What a controller needs to meet callers at the provider: its server is the fixture of that name."""
    if request.param == "webrtc":
        return {}
    variables: Mapping[str, str] = request.getfixturevalue(request.param).variables
    return variables


@pytest.fixture(scope="module", params=["webrtc", "livekit"])
def shop(
    request: pytest.FixtureRequest,
    built: None,  # noqa: ARG001 - only has to be there
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """The web app beside a controller that asks for keys and meets callers at the provider."""
    directory = tmp_path_factory.mktemp(f"shop-{request.param}")
    url, controller_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    serving = {
        "controller": (
            [sys.executable, "-m", "controller", "serve"],
            {
                **sandbox.variables,
                **variables_of_rooms(request),
                "PODLINE_PORT": controller_url.rpartition(":")[2],
                "PODLINE_KEYS_FILE": write_keys(directory, key("shop", *SCOPES, text=KEY)),
                "PODLINE_CORS_ORIGINS": url,
                "PODLINE_GRACE_SECONDS": "3",
            },
            f"{controller_url}/readyz",
        ),
        "shop": (
            example.serve_command(int(url.rpartition(":")[2])),
            {"ORCHESTRATOR_URL": controller_url, "PODLINE_API_KEY": KEY, "NEXT_TELEMETRY_DISABLED": "1"},
            url,
        ),
    }
    started: list[Program] = []
    try:
        for name, (command, variables, address) in serving.items():
            program = Program.start(name, command, directory, variables)
            started.append(program)
            request.config.stash[PROGRAMS].append(program)
            program.wait_until(partial(answers, address))
        yield Shop(url, (controller_url,))
    finally:
        for program in reversed(started):
            program.stop()
    assert KEY not in started[-1].said()


@pytest.fixture
async def controller(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=shop.partners[0], headers=headers) as client:
        yield client


async def test_a_spoken_call_from_the_web_app(
    shop: Shop,
    controller: httpx.AsyncClient,
    store: httpx.AsyncClient,
    chromium: Path,
    recording: Path,
) -> None:
    """Greeted, asked, found, saved, hung up: seen on the page, in the store and on record."""
    async with opened(shop.url, chromium, speaking(recording), partners=shop.partners) as page:
        session_id, answer = await start_talking(page)
        assert KEY not in answer
        await find_and_save(page)
        await hang_up(page)
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=5
        )

    assert session["reason"] == "caller_left"
    assert None not in (session["timeline"][moment] for moment in ("joined", "caller_joined", "first_speech"))
    assert session["usage"]["tool_calls"].keys() == {"search_products", "save_product"}
    kept = (await store.get("/sandbox/saved", params={"userId": session["user_id"]})).json()
    assert [product["number"] for product in kept["products"]] == [2]


async def test_without_a_microphone_one_can_type_and_click(shop: Shop, chromium: Path) -> None:
    async with opened(shop.url, chromium, microphone=False, partners=shop.partners) as page:
        await start_talking(page)
        await expect(page.get_by_role("main").get_by_role("alert")).to_contain_text(
            "The microphone is blocked"
        )

        await page.get_by_label("Type to the assistant").fill("find running shoes")
        await page.get_by_role("button", name="Send").click()
        await page.get_by_role("button", name="Save Trail running shoes").click(timeout=20_000)
        await expect(page.get_by_role("button", name="Remove Trail running shoes")).to_be_visible(
            timeout=20_000
        )


async def test_a_closed_tab_ends_the_call_at_once(
    shop: Shop, controller: httpx.AsyncClient, chromium: Path
) -> None:
    async with opened(shop.url, chromium, partners=shop.partners) as page:
        session_id, _ = await start_talking(page)
        await page.close(run_before_unload=True)
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=5
        )
    assert session["reason"] == "caller_left"


async def test_a_bot_that_is_stopped_is_told(
    shop: Shop, controller: httpx.AsyncClient, chromium: Path
) -> None:
    async with opened(shop.url, chromium, partners=shop.partners) as page:
        session_id, _ = await start_talking(page)
        (await controller.delete(f"/v1/sessions/{session_id}")).raise_for_status()
        await expect(page.get_by_role("region", name="The call was stopped")).to_contain_text(
            "stopped", timeout=20_000
        )


async def test_hanging_up_before_the_bot_is_there_stops_it(
    shop: Shop, controller: httpx.AsyncClient, chromium: Path
) -> None:
    async with opened(shop.url, chromium, partners=shop.partners) as page:
        async with page.expect_response("**/api/daily-room") as answered:
            await page.get_by_role("button", name="Start talking").click()
        session_id = (await (await answered.value).json())["sessionId"]
        await page.get_by_role("button", name="Hang up").click()
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=10
        )
    assert session["reason"] == "stopped"


async def test_a_refused_start_is_told_in_a_sentence(shop: Shop, chromium: Path) -> None:
    sentence = "All assistants are busy right now."
    answer = {"agentStatus": "busy", "message": sentence, "retryAfterSeconds": 60}
    async with opened(shop.url, chromium, partners=shop.partners) as page:
        await page.route("**/api/daily-room", lambda route: route.fulfill(json=answer))
        await page.get_by_role("button", name="Start talking").click()
        ending = page.get_by_role("region", name="The call did not start")
        await expect(ending).to_contain_text(sentence)


@pytest.mark.parametrize(
    ("provider", "url"),
    [("daily", "https://shop.daily.co/room"), ("livekit", "ws://127.0.0.1:9"), ("carrier-pigeon", "coop:1")],
)
async def test_a_room_that_cannot_be_reached_is_told_in_a_sentence(
    shop: Shop, chromium: Path, provider: str, url: str
) -> None:
    room = {"provider": provider, "url": url, "token": "token"}
    answer = {"agentStatus": "started", "sessionId": "none", "room": room}
    async with opened(shop.url, chromium, partners=("https://", "http://127.0.0.1:9/")) as page:
        await page.route("https://**", lambda route: route.abort())
        await page.route("**/api/daily-room", lambda route: route.fulfill(json=answer))
        await page.get_by_role("button", name="Start talking").click()
        ending = page.get_by_role("region", name="The call did not start")
        await expect(ending).to_contain_text("can't connect to it", timeout=60_000)


async def test_a_page_that_is_not_secure_says_why_it_hears_nothing(shop: Shop, chromium: Path) -> None:
    url = shop.url.replace("127.0.0.1", "shop.test")
    async with opened(url, chromium, "--host-resolver-rules=MAP shop.test 127.0.0.1") as page:
        await page.route("**/api/daily-room", lambda _route: None)  # the start takes its time
        await page.get_by_role("button", name="Start talking").click()
        notice = page.get_by_role("main").get_by_role("alert")
        await expect(notice).to_contain_text("only on https pages and localhost")


async def test_a_double_click_makes_one_call(
    shop: Shop, controller: httpx.AsyncClient, chromium: Path
) -> None:
    async def made() -> set[str]:
        return {session["id"] for session in (await controller.get("/v1/sessions")).json()["sessions"]}

    before = await made()
    async with opened(shop.url, chromium, partners=shop.partners) as page:
        await page.get_by_role("button", name="Start talking").dblclick()
        await expect(page.get_by_role("status")).to_have_text("Connected", timeout=20_000)
        assert len(await made() - before) == 1
