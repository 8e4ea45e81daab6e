"""The page at /docs in a real browser: it shows everything, asks no other site, and calls the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from testing.callers.browsing import chromium_here, opened
from testing.fakes.controllers.served import ServeController
from testing.fakes.controllers.wire import write_keys

PATIENCE_MS = 60_000
"""Only a hang takes this long."""


async def shown(page: Page, operation: str) -> Locator:
    """Return an operation, unfolded."""
    block = page.locator(f"[id$='-{operation}'].opblock")
    await block.locator(".opblock-summary-control").click(timeout=PATIENCE_MS)
    return block


async def tried(page: Page, operation: str, **parameters: str) -> str:
    """Try an operation with its example and these parameters, and return the status."""
    block = await shown(page, operation)
    await block.get_by_role("button", name="Try it out").click(timeout=PATIENCE_MS)
    for name, value in parameters.items():
        await block.get_by_placeholder(name).fill(value)
    await block.get_by_role("button", name="Execute").click(timeout=PATIENCE_MS)
    status = block.locator(".live-responses-table tbody .response-col_status")
    return (await status.first.inner_text(timeout=PATIENCE_MS)).split()[0]


@pytest.mark.parametrize("has_keys", [False, True])
async def test_the_reference_shows_each_operation_and_tries_it(
    serve: ServeController, tmp_path: Path, *, has_keys: bool
) -> None:
    chromium = chromium_here()
    settings = {"keys_file": write_keys(tmp_path, boss=["admin"]), "docs": True} if has_keys else {}
    async with (
        serve(**settings) as controller,
        opened(f"{controller.url}/docs", chromium, partners=[controller.url]) as page,
    ):
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        description = (await controller.client.get("/openapi.json")).json()
        operations = [each for path in description["paths"].values() for each in path.values()]
        await expect(page.locator(".opblock")).to_have_count(len(operations), timeout=PATIENCE_MS)
        if has_keys:
            assert await tried(page, "list_sessions") == "401"
            assert len(complaints) == 1, "Chromium's own line about the 401"
            complaints.clear()
            await page.get_by_role("button", name="Authorize").first.click()
            form = page.locator(".auth-container", has=page.get_by_role("heading", name="key"))
            await form.get_by_label("auth-bearer-value").fill("boss")
            await form.get_by_role("button", name="Apply credentials").click()
            await page.get_by_role("button", name="Close", exact=True).first.click()

        assert await tried(page, "start_session") == "201"
        assert await tried(page, "read_session", session_id="cart-7f3a") == "200"
        stream = await shown(page, "watch_session")
        await expect(stream.get_by_text("Server-Sent Events").first).to_be_visible(timeout=PATIENCE_MS)
        await expect(stream.get_by_role("button", name="Try it out")).to_have_count(0)
        assert complaints == []
