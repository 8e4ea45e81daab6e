"""What a caller of the example web app reads when its controller or model fails, for what it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import Reason
from testing.builds import web_example as example
from testing.callers.browsing import opened
from testing.callers.example_page import start_talking
from testing.callers.keys import key, write_keys
from testing.leaving_out import leave_out
from testing.pictures.album import Album
from testing.processes import Program, Sandbox, answers, ended_session, eventually, free_port
from tests.local.conftest import PROGRAMS, until_bots_have_left

KEY = "the-shop's-own-key"
Controllers = Callable[[Mapping[str, str]], AbstractContextManager[Program]]


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def shop_url(
    ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    """Serve the web app, whose controller comes and goes."""
    try:
        example.build()
    except example.NodeUnavailableError as error:
        leave_out(str(error))
    shop_port, controller_port = ports
    variables = {
        "ORCHESTRATOR_URL": f"http://127.0.0.1:{controller_port}",
        "PODLINE_API_KEY": KEY,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    directory = tmp_path_factory.mktemp("shop")
    program = Program.start("shop", example.serve_command(shop_port), directory, variables)
    pytestconfig.stash[PROGRAMS].append(program)
    try:
        program.wait_until(partial(answers, f"http://127.0.0.1:{shop_port}"))
        yield f"http://127.0.0.1:{shop_port}"
    finally:
        program.stop()


@pytest.fixture
def controllers(
    ports: tuple[int, int], sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config
) -> Controllers:
    """Return what runs a controller for the shop, with more variables."""
    shop_port, port = ports
    keys = write_keys(tmp_path, key("shop", "start", "read", "stop", text=KEY))

    @contextmanager
    def controller(more: Mapping[str, str]) -> Iterator[Program]:
        variables = {
            **sandbox.variables,
            "PODLINE_PORT": str(port),
            "PODLINE_KEYS_FILE": keys,
            "PODLINE_CORS_ORIGINS": f"http://127.0.0.1:{shop_port}",
            "PODLINE_GRACE_SECONDS": "3",
            **more,
        }
        command = [sys.executable, "-m", "controller", "serve"]
        program = Program.start("shop's controller", command, tmp_path, variables)
        pytestconfig.stash[PROGRAMS].append(program)
        try:
            program.wait_until(partial(answers, f"http://127.0.0.1:{port}/readyz"))
            yield program
        finally:
            program.stop()
            until_bots_have_left(sandbox)

    return controller


async def read_by_caller(page: Page) -> str:
    """Return what a caller reads who opens no details."""
    text = await page.get_by_role("main").inner_text()
    assert "PODLINE_" not in text
    return text


async def test_a_fault_is_told_for_what_it_is(
    shop_url: str, ports: tuple[int, int], controllers: Controllers, chromium: Path, album: Album
) -> None:
    """A page that may not call, a key that the model refuses, and a controller that is killed in the call."""
    controller_url = f"http://127.0.0.1:{ports[1]}"
    elsewhere = shop_url.replace("127.0.0.1", "localhost")
    partners = (controller_url, elsewhere)
    bearer = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(base_url=controller_url, headers=bearer) as operator,
        opened(elsewhere, chromium, partners=(*partners, shop_url)) as page,
    ):
        with controllers({"GOOGLE_API_KEY": "not the model's"}):
            await page.get_by_role("button", name="Start talking").click()
            ending = page.get_by_role("region", name="The call did not start")
            await expect(ending).to_contain_text("not allowed to make calls", timeout=20_000)
            await read_by_caller(page)
            await expect(ending).to_contain_text("PODLINE_CORS_ORIGINS")
            await album.take(page, "shop-other-site")

            await page.goto(shop_url)
            async with page.expect_response("**/api/daily-room") as answered:
                await page.get_by_role("button", name="Start talking").click()
            session_id = (await (await answered.value).json())["sessionId"]
            await eventually(lambda: ended_session(operator, session_id), "the session's failure")
            ending = page.get_by_role("region", name="The call failed")
            await expect(ending).to_contain_text(TEXTS[Reason.MODEL_REFUSED].to_caller, timeout=3000)
            await read_by_caller(page)

        with controllers({}) as controller:
            await page.goto(shop_url)
            await start_talking(page)
            await album.take(page, "shop-call")
            controller.process.kill()
            gone = page.get_by_text("voice service")
            await expect(gone.first).to_be_visible(timeout=5000)
            ending = page.get_by_role("region", name="The service stopped")
            await expect(ending).to_be_visible(timeout=20_000)
            await read_by_caller(page)
            await album.take(page, "shop-controller-gone")
