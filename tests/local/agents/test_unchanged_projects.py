"""Projects that `pipecat init` has written, called as they are: no line of them knows of Podline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.callers.browsing import HEARD, opened, speaking
from testing.processes import Sandbox, ended_session, eventually
from testing.projects.calls import check_cascade_usage, check_realtime_usage, check_record, converse
from testing.projects.generated import CASCADE, REALTIME, generate
from testing.servers.livekit import LiveKitServer
from tests.local.conftest import PROGRAMS, serving


@pytest.fixture(scope="module")
def projects(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both projects, each as the directory of an agent."""
    agents = tmp_path_factory.mktemp("projects")
    for kind in (REALTIME, CASCADE):
        generate(kind, agents, sandbox.variables)
    return agents


@pytest.fixture(scope="module")
def projects_url(
    sandbox: Sandbox, projects: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("projects-controller")
    variables = {"PODLINE_AGENTS": str(projects)}
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        yield url


async def call(url: str, agent: str, voice: Voice) -> dict[str, Any]:
    """Call an agent, and return the session's record."""
    async with httpx.AsyncClient(base_url=url, timeout=40) as controller:
        wanted = {"user_id": "ana", "agent": agent}
        session = (await controller.post("/v1/sessions", json=wanted)).raise_for_status().json()
        async with calling(url, voice, room=RoomAddress(**session["room"])) as (caller, _):
            await converse(caller)
        return await eventually(lambda: ended_session(controller, session["id"]), "the session's end")


async def test_a_realtime_project_is_called_and_measured(projects_url: str, voice: Voice) -> None:
    session = await call(projects_url, REALTIME.name, voice)

    check_record(session, REALTIME.name)
    check_realtime_usage(session["usage"])


async def test_a_realtime_project_is_called_in_a_room(
    sandbox: Sandbox,
    projects: Path,
    livekit: LiveKitServer,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    voice: Voice,
) -> None:
    directory = tmp_path_factory.mktemp("projects-livekit")
    variables = {**livekit.variables, "PODLINE_AGENTS": str(projects)}
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        session = await call(url, REALTIME.name, voice)

    check_record(session, REALTIME.name)
    assert await eventually(livekit.is_empty, "the room's end")


async def test_a_cascade_project_is_called_and_each_service_is_measured(
    projects_url: str, voice: Voice
) -> None:
    session = await call(projects_url, CASCADE.name, voice)

    check_record(session, CASCADE.name)
    check_cascade_usage(session["usage"])


async def test_a_project_is_called_from_a_browser(projects_url: str, chromium: Path, recording: Path) -> None:
    async with (
        httpx.AsyncClient(base_url=projects_url) as controller,
        opened(projects_url, chromium, speaking(recording)) as page,
    ):
        await page.get_by_label("Agent").select_option(CASCADE.name)
        async with page.expect_response("**/start") as started:
            await page.get_by_role("button", name="Start talking").click()
        session_id = (await (await started.value).json())["sessionId"].partition("~")[0]
        conversation = page.get_by_role("log", name="Conversation")
        await expect(conversation).to_contain_text("Hello", timeout=20_000)
        greeting = await eventually(lambda: page.evaluate(HEARD), "the greeting's sound")
        # The recording's first words may be lost on a bot that came late.
        await expect(conversation).to_contain_text("Save product two", timeout=60_000)
        await expect(conversation).to_contain_text("Sorry, I can't do that here", timeout=20_000)
        assert await page.evaluate(HEARD) > greeting

        await page.get_by_role("button", name="Hang up").click()
        session = await eventually(lambda: ended_session(controller, session_id), "the session's end")
    check_record(session, CASCADE.name)
