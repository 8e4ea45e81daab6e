"""The service as a whole: probes, the page, its description, and what happens when a part of it fails."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from controller.agents.files import AgentFiles
from controller.core.agents import BUILT_IN, AgentVersion
from controller.web.routes.dependencies import while_connected
from testing.fakes.controllers.site import Serve, Site


async def test_it_is_alive_and_ready_while_it_serves(site: Site) -> None:
    for probe in ("/livez", "/readyz"):
        answer = await site.client.get(probe)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_once_the_place_of_the_bots_is_lost_it_says_that_only_a_restart_helps(serve: Serve) -> None:
    async def lose_it() -> None:
        async with serve() as site:
            site.runtime.lose()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.Event().wait(), 5)
            answers = [await site.client.get(probe) for probe in ("/livez", "/readyz")]
            start = await site.client.post("/v1/sessions", json={"user_id": "ana"})
            seen.extend([*(answer.status_code for answer in answers), start.json()["code"]])

    seen: list[object] = []
    with pytest.raises(BaseExceptionGroup, match="TaskGroup"):
        await lose_it()
    assert seen == [503, 503, "runtime_unavailable"]


def lacks_keys(agent: AgentVersion) -> str | None:
    return "GOOGLE_API_KEY is not set: add it to .env." if agent == BUILT_IN else None


async def test_it_is_not_ready_for_calls_that_would_all_fail(serve: Serve) -> None:
    """A start is refused with what is missing, instead of launching a bot that ends at once."""
    async with serve(preflight=lacks_keys) as site:
        ready, alive = [await site.client.get(probe) for probe in ("/readyz", "/livez")]
        start = await site.client.post("/v1/sessions", json={"user_id": "ana"})

        assert (ready.status_code, alive.status_code) == (503, 200)
        assert ready.json()["detail"] == start.json()["detail"] == lacks_keys(BUILT_IN)
        assert (start.status_code, start.json()["code"]) == (503, "agent_not_configured")
        assert "GOOGLE" not in start.json()["caller_message"]
        assert site.runtime.launches == []


async def test_one_agent_without_its_keys_makes_no_other_unready(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "cascade").mkdir()
    (tmp_path / "cascade" / "bot.py").write_text("", encoding="utf-8")
    async with serve(preflight=lacks_keys, agents=AgentFiles(tmp_path)) as site:
        assert (await site.client.get("/readyz")).status_code == 200
        refused = await site.client.post("/v1/sessions", json={"user_id": "ana"})
        assert refused.json()["code"] == "agent_not_configured"
        other = await site.client.post("/v1/sessions", json={"user_id": "ana", "agent": "cascade"})
        assert other.status_code == 201


async def test_one_launch_that_fails_on_a_bug_takes_no_other_session_along(site: Site) -> None:
    other = await site.start("bo")
    site.runtime.refusal = TypeError("a bug")
    failed = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})

    assert failed.status_code == 500
    assert (await site.read("mine"))["reason"] == "launch_failed"
    assert (await site.read(other["id"]))["phase"] == "starting"
    assert (await site.client.get("/livez")).status_code == 200


async def test_the_page_is_served_with_its_files(site: Site) -> None:
    page = await site.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert (await site.client.get("/app.js")).headers["content-type"].startswith("text/javascript")
    assert (await site.client.get("/../settings.py")).status_code == 404


async def test_the_description_names_each_error_as_a_problem_and_leaves_the_bots_channel_out(
    site: Site,
) -> None:
    description = (await site.client.get("/openapi.json")).json()

    assert not any(path.startswith("/internal") for path in description["paths"])
    errors = [
        (path, status, answer["content"])
        for path, operations in description["paths"].items()
        if path not in ("/livez", "/readyz")
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]
    assert len(errors) > 20
    for path, status, content in errors:
        assert list(content) == ["application/problem+json"], (path, status)


async def test_a_caller_who_hangs_up_withdraws_what_is_done_for_them() -> None:
    hung_up = asyncio.Event()
    given_up = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    waiting = asyncio.create_task(while_connected(Request({"type": "http"}, receive), work()))
    await asyncio.sleep(0)
    hung_up.set()

    with pytest.raises(ClientDisconnect):
        await waiting
    await asyncio.wait_for(given_up.wait(), 5)
