"""A bot, what a model says through it, and an agent's panel try to take over the page of their caller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from controller.agents.files import AgentFiles
from testing.callers.browsing import opened
from testing.callers.page_bot import TOKEN, called, rtvi, said
from testing.fakes.controllers.served import ServeController

MARKUP = "<img src=x onerror='top.taken=1'><script>top.taken=1</script><b class=taken>"
DEEP = "[" * 5000 + "]" * 5000
LAST = "That was all."
PATH = "/?agent=shop"
PATIENCE_MS = 60_000
"""Only a hang takes this long."""

HOSTILE_PANEL = """<!doctype html>
<body><script>
  const found = {};
  const attempt = (name, work) => {
    try { found[name] = String(work()); } catch (error) { found[name] = "refused"; }
  };
  attempt("page", () => parent.document.title);
  attempt("storage", () => localStorage.length);
  attempt("cookie", () => document.cookie);
  attempt("window", () => open("/") === null ? "refused" : "opened");
  attempt("origin", () => origin);
  const evaluated = document.createElement("div");
  document.body.append(evaluated);
  evaluated.innerHTML = "<img src='data:,' onerror='found.markup = 1'>";
  const heard = [];
  addEventListener("message", async ({ data }) => {
    heard.push(JSON.stringify(data));
    if (data.type !== "server-message" || data.data.type !== "report") return;
    for (const odd of [null, 7, "say", [], { type: "say" }, { type: "say", text: { length: 3 } }]) {
      parent.postMessage(odd, "*");
    }
    found.api = await fetch("/v1/sessions").then(() => "read", () => "refused");
    found.token = heard.some((each) => each.includes("TOKEN"));
    for (let index = 0; index < 500; index += 1) {
      parent.postMessage({ type: "say", text: `${JSON.stringify(found)} ${"x".repeat(5000)}` }, "*");
    }
    try { top.location = "/stolen"; } catch { }
    location = "https://evil.example/";
  });
</script></body>""".replace("TOKEN", TOKEN)


def hostile_agents(directory: Path) -> AgentFiles:
    """Agents of a directory: one with a panel that means harm."""
    home = directory / "agents" / "shop"
    home.mkdir(parents=True)
    (home / "bot.py").write_text("")
    (home / "podline.toml").write_text('panel = "hostile"')
    (home / "hostile.html").write_text(HOSTILE_PANEL)
    return AgentFiles(home.parent)


ODD_TYPES: tuple[object, ...] = (7, None, {}, "x" * 1000, "__proto__", MARKUP)
ODD_DATA: tuple[object, ...] = (None, 7, [], "text", {"text": 7}, {"text": {"toString": 7}})
ODD_VALUES: tuple[object, ...] = (MARKUP, None, -1, 1e300, {"value": 1}, [[]])


def hostile_messages() -> Iterator[str]:
    yield from ("", "null", "[]", "7", "{", '{"label": "rtvi-ai"}', f'{{"label": "rtvi-ai", "data": {DEEP}}}')
    yield from (
        f'{{"label":"rtvi-ai","type":"bot-output","data":{DEEP}}}',
        '{"type":"signalling","message":7}',
    )
    yield from (rtvi(kind, None) for kind in ODD_TYPES)
    for data in ODD_DATA:
        for kind in ("bot-output", "user-input", "metrics", "server-message", "error", "ui-command"):
            yield rtvi(kind, data)
        yield rtvi("llm-function-call-in-progress", data)
        yield rtvi("llm-function-call-stopped", data)
    yield said(MARKUP)
    yield rtvi("user-input", {"text": MARKUP, "input_type": "transcription", "final": True})
    yield rtvi("error", {"error": MARKUP, "fatal": False})
    for name in (MARKUP, "__proto__", "constructor"):
        call = {"tool_call_id": name, "function_name": name}
        yield rtvi("llm-function-call-in-progress", {**call, "arguments": {name: MARKUP}})
        yield rtvi("llm-function-call-stopped", {**call, "result": MARKUP})
    for value in ODD_VALUES:
        measured = [{"processor": MARKUP, "model": MARKUP, "value": value}, value]
        yield rtvi("metrics", dict.fromkeys(("ttfb", "processing", "tokens"), measured))
        yield rtvi("server-message", {"type": "response_latency", "seconds": value})
    yield rtvi("server-message", {"type": "call_ended", "reason": "constructor", "message": MARKUP})
    yield rtvi("server-message", {"type": "products_found", "products": [{"number": 1, "name": MARKUP}]})
    for number in range(520):
        yield said(f"{number} " + "x" * 100)
        yield rtvi("bot-stopped-speaking", {})
        if number % 2:
            yield rtvi("llm-function-call-in-progress", {"tool_call_id": str(number)})
        yield rtvi("metrics", {"ttfb": [{"processor": f"service {number}", "value": 1}]})
    yield said("y" * 100_000)
    yield rtvi("bot-stopped-speaking", {})
    yield rtvi("server-message", {"type": "report"})
    yield said(LAST)


async def counts(page: Page) -> dict[str, Any]:
    counted: dict[str, Any] = await page.evaluate(
        """() => ({
            turns: document.querySelectorAll("#turns > li").length,
            tools: document.querySelectorAll("#tools > li").length,
            services: document.querySelectorAll("#services > tr").length,
            events: document.querySelectorAll("#events > li").length,
            longest: Math.max(...[...document.querySelectorAll("p, dd, pre, code, span")].map(
                (each) => each.textContent.length)),
            taken: window.taken ?? document.querySelectorAll(".taken, main img, main script").length,
            tokens: document.documentElement.outerHTML.includes("the-callers-token"),
        })"""
    )
    return counted


async def test_neither_bot_nor_panel_takes_over_the_page(
    serve: ServeController, chromium: Path, tmp_path: Path
) -> None:
    async with (
        serve(agents=hostile_agents(tmp_path)) as controller,
        opened(f"{controller.url}{PATH}", chromium, partners=[controller.url]) as page,
        called(page, hostile_messages()),
    ):
        await expect(page.get_by_role("log")).to_contain_text(LAST, timeout=PATIENCE_MS)
        told = page.locator(".turn.you .text", has_text="refused")
        await expect(told.first).to_be_attached(timeout=PATIENCE_MS)
        for tab in ("Tools", "Events"):
            await page.get_by_role("tab", name=tab).click()
        await expect(page.locator("#events-note")).to_contain_text("the last 1000 kept", timeout=PATIENCE_MS)
        await expect(page.locator("#events > li").nth(999)).to_be_attached(timeout=PATIENCE_MS)
        found = await told.first.inner_text()
        counted = await counts(page)
        # It still does what its person wants.
        await page.get_by_label("Search the events").fill("That was")
        await expect(page.locator("#events-note")).to_contain_text("1 match.", timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Mute").click()
        await expect(page.get_by_role("button", name="Unmute")).to_be_visible(timeout=PATIENCE_MS)
        taken = await told.count()
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.locator("#ending-title")).to_have_text("You hung up", timeout=PATIENCE_MS)
        assert page.url.endswith(PATH)

    assert counted == {
        "turns": 500,
        "tools": 200,
        "services": 30,
        "events": 1000,
        "longest": counted["longest"],
        "taken": 0,
        "tokens": False,
    }
    assert counted["longest"] < 20_000
    # The panel sent 500 messages; one in 0.3 s is taken.
    assert 1 <= taken < 100
    assert len(found) <= 1000
    assert json.loads(found.split(" xxx")[0]) == {
        "page": "refused",
        "storage": "refused",
        "cookie": "refused",
        "window": "refused",
        "origin": "null",
        "api": "refused",
        "token": False,
    }
