"""A spoken call from end to end in a real browser, whose microphone is a recording."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.async_api import expect

from testing.callers.browsing import HEARD, opened, speaking
from testing.processes import ended_session, eventually


async def test_a_spoken_call_in_a_browser(
    controller_url: str,
    controller: httpx.AsyncClient,
    store: httpx.AsyncClient,
    chromium: Path,
    recording: Path,
) -> None:
    """Greeted, asked, answered, saved, hung up: seen on the page, in the store and on record."""
    async with opened(controller_url, chromium, speaking(recording)) as page:
        async with page.expect_response("**/start") as started:
            await page.get_by_role("button", name="Start talking").click()
        session_id = (await (await started.value).json())["sessionId"]
        await expect(page.locator("p.status")).to_have_text("Connected", timeout=20_000)

        conversation = page.get_by_role("log", name="Conversation")
        products = page.frame_locator("iframe[title='Panel of shopping']")
        await expect(conversation).to_contain_text("Hello", timeout=20_000)
        greeting = await eventually(lambda: page.evaluate(HEARD), "the greeting's sound")

        await expect(conversation).to_contain_text("running shoes under one hundred", timeout=30_000)
        await expect(products.get_by_role("button", name="Save Trail running shoes")).to_be_visible()
        await expect(conversation).to_contain_text("I found", timeout=20_000)
        await expect(conversation).to_contain_text("answered in")
        assert await page.evaluate(HEARD) > greeting

        await expect(conversation).to_contain_text("Save product two", timeout=40_000)
        saved = products.get_by_role("list", name="Saved products")
        await expect(saved).to_contain_text("Trail running shoes", timeout=20_000)

        await page.get_by_role("button", name="Hang up").click()
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=3
        )
        await expect(page.locator("#ending")).to_contain_text("caller_left")
        await expect(page.locator("#ending-summary")).to_contain_text("Tool calls")

    assert session["reason"] == "caller_left"
    assert None not in (session["timeline"][moment] for moment in ("joined", "caller_joined", "first_speech"))
    assert session["usage"]["turns"] == 2
    assert session["usage"]["tool_calls"].keys() == {"search_products", "save_product"}
    [tokens] = session["usage"]["models"].values()
    assert tokens["prompt_tokens"] > 0
    assert tokens["completion_tokens"] > 0

    requests = (await store.get("/sandbox/requests")).json()["requests"]
    searches = [request["body"] for request in requests if request["path"] == "/searchProductsByVoice"]
    assert searches[-1]["query"] == "running shoes"
    kept = (await store.get("/sandbox/saved", params={"userId": session["user_id"]})).json()
    assert [product["number"] for product in kept["products"]] == [2]


async def test_without_a_microphone_one_can_type(controller_url: str, chromium: Path) -> None:
    async with opened(controller_url, chromium, microphone=False) as page:
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked")
        await expect(page.locator("p.status")).to_have_text("Connected", timeout=20_000)
        await expect(page.get_by_role("log")).to_contain_text("Hello", timeout=20_000)

        await page.get_by_label("Type to the bot").fill("find running shoes")
        await page.get_by_role("button", name="Send").click()
        products = page.frame_locator("iframe[title='Panel of shopping']")
        await products.get_by_role("button", name="Save Trail running shoes").click()
        saved = products.get_by_role("list", name="Saved products")
        await expect(saved).to_contain_text("Trail running shoes", timeout=20_000)
        await expect(page.get_by_role("tab", name="Tools")).to_contain_text("2")


async def test_a_closed_tab_ends_the_call_at_once(
    controller_url: str, controller: httpx.AsyncClient, chromium: Path
) -> None:
    async with opened(controller_url, chromium) as page:
        async with page.expect_response("**/start") as started:
            await page.get_by_role("button", name="Start talking").click()
        session_id = (await (await started.value).json())["sessionId"]
        await expect(page.locator("p.status")).to_have_text("Connected", timeout=20_000)
        await page.close(run_before_unload=True)
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=3
        )
    assert session["reason"] == "caller_left"


async def test_a_refused_start_is_told_in_a_sentence(controller_url: str, chromium: Path) -> None:
    detail = "No bot can be started now; try again in a minute."
    async with opened(controller_url, chromium) as page:
        await page.route("**/start", lambda route: route.fulfill(json={"detail": detail}, status=503))
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.locator("#ending")).to_contain_text(detail)
