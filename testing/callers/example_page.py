"""A call from the example's page in a browser whose microphone is a recording."""

from __future__ import annotations

from playwright.async_api import Page, expect

from testing.callers.browsing import HEARD
from testing.processes import eventually


async def start_talking(page: Page, within: float = 20) -> tuple[str, str]:
    """Click, and return the session's id and the server's whole answer once the assistant has greeted."""
    async with page.expect_response("**/api/daily-room") as answered:
        await page.get_by_role("button", name="Start talking").click()
    response = await answered.value
    answer = await response.json()
    assert answer["agentStatus"] == "started"
    await expect(page.get_by_role("status")).to_have_text("Connected", timeout=1000 * within)
    await expect(page.get_by_role("log")).to_contain_text("Hello", timeout=1000 * within)
    return str(answer["sessionId"]), await response.text()


async def find_and_save(page: Page) -> None:
    """What the recording asks for is heard, answered aloud, and seen on the page."""
    greeting = await eventually(lambda: page.evaluate(HEARD), "the greeting's sound")
    conversation = page.get_by_role("log", name="Conversation")
    await expect(conversation).to_contain_text("running shoes under one hundred", timeout=30_000)
    found = page.get_by_role("list", name="Found products")
    await expect(found).to_contain_text("Trail running shoes", timeout=20_000)
    await expect(conversation).to_contain_text("I found", timeout=20_000)
    assert await page.evaluate(HEARD) > greeting

    await expect(conversation).to_contain_text("Save product two", timeout=40_000)
    saved = page.get_by_role("list", name="Saved products")
    await expect(saved).to_contain_text("Trail running shoes", timeout=20_000)


async def hang_up(page: Page) -> None:
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("region", name="You hung up")).to_contain_text("caller_left")
