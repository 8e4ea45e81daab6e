"""The controller's page in each of its states: brought there, checked and pictured."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from playwright.async_api import Page, Route, ViewportSize, expect

from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import Reason
from testing.callers.browsing import HEARD
from testing.callers.page_bot import SESSION, TOKEN, Murmur, called, rtvi, said
from testing.pictures.album import PHONE, Album
from testing.processes import eventually

_NOT_FOR_CALLERS: Final = ("PODLINE_", "GOOGLE_API_KEY", "controller", "CORS", "record")
_SOONEST: Final = 20_000
"""Milliseconds for a bot to be there on a busy machine."""

_FOUND: Final[dict[str, Any]] = {
    "total": 2,
    "products": [
        {
            "number": 2,
            "name": "Trail running shoes",
            "price": 89,
            "currency": "USD",
            "description": "Grippy soles for wet paths and roots",
        },
        {
            "number": 122,
            "name": "Kids running shoes",
            "price": 49,
            "currency": "USD",
            "description": "Easy to close, with light reflecting strips",
        },
    ],
}

_CARD: Final = "document.querySelector('#ending').outerHTML"
_SHOW_CARDS: Final = """cards => {
    document.body.innerHTML = `<main class="all">${cards.join("")}</main>`;
    const style = "display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 1rem; height: auto; padding: 1rem";
    document.querySelector("main").style = style;
}"""


async def idle(page: Page, album: Album) -> None:
    await expect(page.get_by_label("Agent")).to_have_value("shopping")
    products = page.frame_locator("iframe[title='Panel of shopping']")
    await expect(products.get_by_text("Save product two")).to_be_visible()
    # What does nothing before the call is no button.
    await expect(products.get_by_role("button")).to_have_count(0)
    await album.take(page, "idle")
    await album.take(page, "idle-dark", dark=True)
    await album.take(page, "idle-phone", PHONE)


async def spoken_call(page: Page) -> str:
    """Make the call that the microphone is a recording of. Return the session's id with its token."""
    async with page.expect_response("**/start") as started:
        await page.get_by_role("button", name="Start talking").click()
    session_id = (await (await started.value).json())["sessionId"]
    await expect(page.locator("p.status")).to_have_text("Connected", timeout=_SOONEST)

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
    return str(session_id)


async def ended(page: Page, album: Album) -> None:
    """Hang up, and see the record's figures."""
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator("#ending-title")).to_have_text("You hung up")
    await expect(page.locator("#ending-title")).to_be_focused()
    await expect(page.locator("#ending-summary")).to_contain_text("Tool calls", timeout=10_000)
    await expect(page.locator("#ending-more")).to_contain_text("caller_left")
    # One clock: the bar's is gone, and the summary has its last value.
    await expect(page.locator("#clock")).to_be_hidden()
    await expect(page.locator("#ending-summary dd").first).to_have_text(
        await page.locator("#clock").text_content() or ""
    )
    await album.take(page, "ended")


async def typed_call(page: Page, album: Album) -> None:
    """Make a call without a microphone, on a phone. The results are in sight without scrolling."""
    await page.set_viewport_size(ViewportSize(width=PHONE.width, height=PHONE.height))
    await page.get_by_role("button", name="Start talking").click()
    notice = page.get_by_role("alert")
    await expect(notice).to_contain_text("The microphone is blocked")
    await expect(page.locator("p.status")).to_have_text("Connected", timeout=_SOONEST)
    await expect(page.get_by_role("log")).to_contain_text("Hello", timeout=20_000)
    await album.take(page, "no-microphone-phone", PHONE)

    await page.get_by_label("Type to the bot").fill("find running shoes")
    await page.get_by_role("button", name="Send").click()
    products = page.frame_locator("iframe[title='Panel of shopping']")
    save = products.get_by_role("button", name="Save Trail running shoes")
    await expect(save).to_be_visible(timeout=20_000)
    await expect(products.get_by_role("heading").nth(1)).to_be_in_viewport()
    await save.click()
    saved = products.get_by_role("list", name="Saved products")
    await expect(saved).to_contain_text("Trail running shoes", timeout=20_000)
    await expect(page.get_by_role("tab", name="Tools")).to_contain_text("2")


async def shown_call(page: Page, album: Album) -> None:
    """Have a call whose every word is known beforehand, with a turn that is not understood."""
    messages = [
        said("Hello! What are you looking for?"),
        rtvi("bot-stopped-speaking", {}),
        rtvi("user-started-speaking", {}),
        _heard("Find running shoes under one hundred dollars."),
        *_tool_call("search_products", {"query": "running shoes", "max_price": 100}, {"total": 2}),
        rtvi("server-message", {"type": "products_found", "query": "running shoes", **_FOUND}),
        rtvi("server-message", {"type": "response_latency", "seconds": 0.84}),
        said("I found two. Number two, Trail running shoes, for 89 dollars; and Kids running shoes, for 49."),
    ]
    async with called(page, messages, Murmur()) as bot:
        conversation = page.get_by_role("log", name="Conversation")
        await expect(conversation).to_contain_text("I found two", timeout=_SOONEST)
        products = page.frame_locator("iframe[title='Panel of shopping']")
        await expect(products.get_by_role("button", name="Save Trail running shoes")).to_be_visible()
        await expect(products.get_by_role("button", name="Remove product two")).to_have_count(0)
        await album.take(page, "call-phone", PHONE)

        bot.send(
            rtvi("bot-stopped-speaking", {}),
            rtvi("user-started-speaking", {}),
            _heard("Save product two."),
            *_tool_call("save_product", {"number": 2}, {"saved": True}),
            rtvi("server-message", {"type": "product_saved", "number": 2, "product": _FOUND["products"][0]}),
            rtvi("server-message", {"type": "response_latency", "seconds": 0.71}),
            said("Saved: the Trail running shoes."),
        )
        await expect(products.get_by_role("button", name="Remove product two")).to_be_visible()
        await expect(conversation).to_contain_text("Saved: the Trail")
        await album.take(page, "call")
        await album.take(page, "call-dark", dark=True)

        bot.send(
            rtvi("bot-stopped-speaking", {}),
            rtvi("user-started-speaking", {}),
            rtvi("user-started-speaking", {}),
            _heard("Goodbye for now."),
        )
        await expect(conversation).to_contain_text("Goodbye for now.")
        await expect(conversation.get_by_text("Not understood")).to_be_visible()
        await page.get_by_role("tab", name="Tools").click()
        await expect(page.get_by_role("tabpanel", name="Tools")).to_contain_text("save_product")
        await album.take(page, "not-understood")


def _heard(text: str) -> str:
    return rtvi("user-input", {"text": text, "input_type": "transcription", "final": True})


def _tool_call(name: str, arguments: object, result: object) -> tuple[str, str]:
    call = {"tool_call_id": name, "function_name": name}
    return (
        rtvi("llm-function-call-in-progress", {**call, "arguments": arguments}),
        rtvi("llm-function-call-stopped", {**call, "cancelled": False, "result": result}),
    )


async def connecting(page: Page, album: Album) -> None:
    """Hold the start, and see where the keyboard is meanwhile."""
    await page.route("**/start", lambda _route: None)
    async with page.expect_request("**/start"):
        await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator("p.status")).to_have_text("Starting the bot…")
    await expect(page.get_by_role("log", name="Conversation")).to_be_focused()
    await album.take(page, "connecting")
    await page.get_by_role("button", name="Hang up").click()
    await page.unroute("**/start")


async def endings(page: Page, album: Album) -> None:
    """End a call for each reason on record. The picture shows all cards."""
    cards: list[str] = []
    await page.route("**/start", lambda route: route.fulfill(json={"sessionId": f"{SESSION}~{TOKEN}"}))
    # The bot never answers the offer: its record ends first.
    await page.route("**/api/offer", lambda _route: None)
    for reason in Reason:
        await page.route("**/events", partial(_record_of, reason), times=1)
        await page.locator("#connect:visible, #again:visible").click()
        texts = TEXTS[reason]
        await expect(page.locator("#ending-text")).to_have_text(texts.to_caller)
        await expect(page.locator("#ending-more")).to_contain_text(texts.what_happened)
        await no_internals(page)
        cards.append(await page.evaluate(_CARD))
    await page.evaluate(_SHOW_CARDS, cards)
    await album.take_all(page, "endings")


async def _record_of(reason: Reason, route: Route) -> None:
    texts = TEXTS[reason]
    record = {
        "phase": reason.phase,
        "reason": reason,
        "message": f"{texts.what_happened} {texts.advice}".strip(),
        "caller_message": texts.to_caller,
    }
    await route.fulfill(
        content_type="text/event-stream", body=f"event: session\ndata: {json.dumps(record)}\n\n"
    )


async def no_internals(page: Page) -> None:
    """A caller who opens no details reads nothing that only the operator understands."""
    shown = await page.get_by_role("region", name="Call", exact=True).inner_text()
    assert [word for word in _NOT_FOR_CALLERS if word in shown] == [], shown


async def refused_key(page: Page, album: Album, has_failed: Callable[[], Awaitable[object]]) -> None:
    """Call a bot whose model refuses its key."""
    await page.get_by_role("button", name="Start talking").click()
    await eventually(has_failed, "the session's failure on record")
    await expect(page.locator("#ending-title")).to_have_text("The call failed", timeout=3000)
    await expect(page.locator("#ending-text")).to_have_text(TEXTS[Reason.MODEL_REFUSED].to_caller)
    await no_internals(page)
    await page.locator("#ending-more summary").click()
    # The bot's farewell names the reason; the refusal of an offer that came too late, the record's message.
    await expect(page.locator("#ending-more")).to_contain_text(re.compile(r"model_refused|API key"))
    await album.take(page, "error-bad-key")


async def refused(page: Page, album: Album, name: str, title: str, detail: str) -> None:
    """Be refused a call by the controller, and find its own words only in the details."""
    await page.locator("#connect:visible, #again:visible").click()
    await expect(page.locator("#ending-title")).to_have_text(title)
    await no_internals(page)
    await expect(page.locator("#ending-more")).to_contain_text(detail)
    await album.take(page, name)


async def without_network(page: Page, album: Album) -> None:
    """Lose the network in a call, and then call without one."""
    async with called(page, [said("Hello! What are you looking for?")]) as bot:
        await expect(page.locator("p.status")).to_have_text("Connected", timeout=_SOONEST)
        await page.context.set_offline(True)
        await expect(page.get_by_role("alert")).to_contain_text("not connected to the internet", timeout=5000)
        await bot.connection.close()
        await expect(page.locator("#ending-title")).to_have_text("You are offline", timeout=10_000)
        await no_internals(page)
        await album.take(page, "error-no-network")


async def killed_controller(page: Page, album: Album, controller: int) -> None:
    """Kill the controller during a call. Its bot ends too, a little later."""
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator("p.status")).to_have_text("Connected", timeout=_SOONEST)
    await expect(page.get_by_role("log")).to_contain_text("Hello", timeout=20_000)
    os.kill(controller, signal.SIGKILL)
    await expect(page.locator("#notice-text:visible, .ending.failed:visible").first).to_contain_text(
        "The voice service", timeout=5000
    )
    await expect(page.locator("#ending-title")).to_have_text("The service stopped", timeout=20_000)
    await no_internals(page)
    await album.take(page, "error-controller-gone")
