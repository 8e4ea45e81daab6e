"""A spoken call from end to end in a real browser, whose microphone is a recording."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.async_api import expect

from testing.callers import page_states
from testing.callers.browsing import opened, speaking
from testing.callers.page_bot import SESSION, called, rtvi, said
from testing.pictures.album import Album
from testing.processes import ended_session, eventually


async def test_a_spoken_call_in_a_browser(
    controller_url: str,
    controller: httpx.AsyncClient,
    store: httpx.AsyncClient,
    chromium: Path,
    recording: Path,
    album: Album,
) -> None:
    """Greeted, asked, answered, saved, hung up: seen on the page, in the store and on record."""
    async with opened(controller_url, chromium, speaking(recording)) as page:
        await page_states.idle(page, album)
        session_id = await page_states.spoken_call(page)
        await page_states.ended(page, album)
        session = await eventually(
            lambda: ended_session(controller, session_id), "the session's end", within=3
        )

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


async def test_without_a_microphone_one_can_type(controller_url: str, chromium: Path, album: Album) -> None:
    async with opened(controller_url, chromium, microphone=False) as page:
        await page_states.typed_call(page, album)


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


async def test_what_a_bot_reports_is_shown(controller_url: str, chromium: Path) -> None:
    call = {"tool_call_id": "1", "function_name": "find_seat"}
    service = {"processor": "OpenAILLMService#0", "model": "gpt-x"}
    messages = [
        rtvi("user-input", {"text": "Is there a seat?", "input_type": "transcription", "final": True}),
        rtvi("llm-function-call-in-progress", {**call, "arguments": {"row": 7}}),
        rtvi("llm-function-call-stopped", {**call, "cancelled": False, "result": {"seat": "7A"}}),
        rtvi("metrics", {"ttfb": [{**service, "value": 0.25}], "tokens": [{"prompt_tokens": 1234}]}),
        rtvi("metrics", {"characters": [{"processor": "OpenAITTSService#0", "value": 90}]}),
        rtvi("error", {"error": "The seats can't be reached.", "fatal": False}),
        said("Seat 7A is free."),
    ]
    async with opened(controller_url, chromium) as page, called(page, messages):
        conversation = page.get_by_role("log", name="Conversation")
        await expect(conversation).to_contain_text("Seat 7A is free.", timeout=20_000)
        await expect(conversation).to_contain_text("Is there a seat?")
        await expect(page.get_by_role("alert")).to_contain_text("The assistant has a problem")
        await expect(page.locator("#notice-more")).to_contain_text("The seats can't be reached.")

        await page.get_by_role("tab", name="Speed").click()
        services = page.get_by_role("tabpanel", name="Speed")
        await expect(services.get_by_role("row", name="OpenAILLMService")).to_contain_text("0.25 s")
        await expect(services.get_by_role("row", name="OpenAITTSService")).to_contain_text("90 characters")
        await expect(services).to_contain_text("1,234")
        await page.keyboard.press("ArrowRight")
        tools = page.get_by_role("tabpanel", name="Tools")
        for shown in ("find_seat", '"row": 7', '"seat": "7A"', " s"):
            await expect(tools).to_contain_text(shown)
        await page.keyboard.press("ArrowRight")
        await page.get_by_label("Search the events").fill("find_seat stopped")
        await expect(page.locator("#events > li")).to_have_count(1)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(page.get_by_role("button", name="Copied 1")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        await page.get_by_role("tab", name="Session").click()
        await expect(page.get_by_role("tabpanel", name="Session")).to_contain_text(SESSION)

        await page.get_by_text("Devices").click()
        microphones = page.get_by_label("Microphone")
        names = await microphones.locator("option").all_inner_texts()
        assert len(names) > 1, "the browser's fake microphones"
        await microphones.select_option(index=1)
        await page.get_by_label("Speaker").select_option(index=1)
        await expect(page.locator("#devices-note")).to_be_empty()
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.locator("#ending")).to_contain_text("You hung up")
    assert copied.endswith(messages[2])


async def test_a_room_at_daily_is_a_link_with_the_callers_token(controller_url: str, chromium: Path) -> None:
    answer = {"sessionId": "one~two", "dailyRoom": "https://shop.daily.co/room?a=1", "dailyToken": "a b"}
    async with opened(controller_url, chromium) as page:
        await page.route("**/start", lambda route: route.fulfill(json=answer))
        await page.get_by_role("button", name="Start talking").click()
        link = page.get_by_role("link", name="Open the room")
        await expect(link).to_have_attribute("href", "https://shop.daily.co/room?a=1&t=a+b")
        await page.get_by_role("button", name="Hang up").click()
        await page.route(
            "**/start", lambda route: route.fulfill(json={**answer, "dailyRoom": "javascript:alert(1)"})
        )
        await page.get_by_role("button", name="Call again").click()
        await expect(page.locator("#ending")).to_contain_text("Please tell the people who run this page")


async def test_a_key_in_the_address_is_sent_and_taken_out_of_it(controller_url: str, chromium: Path) -> None:
    async with opened(controller_url, chromium) as page:
        await page.route("**/start", lambda route: route.fulfill(json={"detail": "Not now."}, status=503))
        async with page.expect_request("**/start/agents") as listed:
            await page.goto(f"{controller_url}/?agent=shopping#key=a%2Bkey")
        await expect(page.get_by_label("Agent")).to_have_value("shopping")
        async with page.expect_request("**/start") as started:
            await page.get_by_role("button", name="Start talking").click()
        assert '"agent":"shopping"' in ((await started.value).post_data or "")
        sent = [(await asked.value).headers.get("authorization") for asked in (listed, started)]
        assert page.url == f"{controller_url}/?agent=shopping"

    assert sent == ["Bearer a+key", "Bearer a+key"]
