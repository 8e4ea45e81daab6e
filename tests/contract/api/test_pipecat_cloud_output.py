"""Pipecat Cloud's command line, in colour and without, about agents and sessions in every state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from controller.agents.built_in import BuiltInAgents
from controller.composition import compose
from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from testing.callers.keys import KEYS, bearer
from testing.callers.pipecat_cloud import CloudAnswer, PipecatCloud
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.runtimes_and_rooms import FakeRuntime
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of

BRACKETS = "podline.toml: budget: write it as a table, [budget]. The bot raised ValueError in [/app/bot.py]."
OUTPUTS = ("rich", "plain")


def version(name: str, serial: int) -> AgentVersion:
    definition = AgentDefinition(name=name, image=f"registry.example.com/{name}:{serial}")
    return AgentVersion(
        definition=definition, serial=serial, deployed_at=datetime.now(UTC) if serial > 1 else None
    )


STATES = {
    "rolling": AgentStatus(name="rolling", version=version("rolling", 1), deploying=version("rolling", 2)),
    "first": AgentStatus(name="first", deploying=version("first", 1)),
    "refused": AgentStatus(name="refused", version=version("refused", 2), problem=BRACKETS),
    "never": AgentStatus(name="never", problem=BRACKETS),
}


class AgentsInAllStates(BuiltInAgents):
    """Agents that are being deployed, or were refused."""

    def current(self, name: str) -> AgentVersion:
        status = STATES.get(name)
        return status.version if status is not None and status.version is not None else super().current(name)

    def versions(self, name: str) -> Sequence[AgentVersion]:
        return [self.current(name)] if name in STATES and STATES[name].version else super().versions(name)

    def all(self) -> Sequence[AgentStatus]:
        return [*STATES.values(), *super().all()]


COMMANDS = {
    "list": ("agent", "list"),
    **{f"status of {name}": ("agent", "status", name) for name in STATES},
    "sessions": ("agent", "sessions", "rolling"),
    "a session": ("agent", "sessions", "rolling", "--id", "waits"),
    "no sessions": ("agent", "sessions", "never"),
    "logs": ("agent", "logs", "rolling", "--session-id", "failed"),
    "deployments": ("agent", "deployments", "rolling"),
    "start": ("agent", "start", "rolling", "--force", "--api-key", "browser"),
    "start of none": ("agent", "start", "first", "--force", "--api-key", "browser"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], CloudAnswer]:
    """What each command prints, in each form."""
    settings = settings_of(port=free_port())
    sockets = bind(settings)
    settings, runtime = with_bots_port(settings, sockets), FakeRuntime()
    parts = fake_parts(agents=AgentsInAllStates(), runtime=runtime, keys=KEYS)
    server = Server(compose(settings, parts), sockets)
    serving = await started(server)
    host = settings.listeners.url_for_callers
    try:
        await begin_sessions(host, runtime)
        cloud = PipecatCloud(host, "boss", tmp_path_factory.mktemp("project"))
        return await run_all(cloud)
    finally:
        server.should_exit = True
        await serving


async def begin_sessions(host: str, runtime: FakeRuntime) -> None:
    """One session that waits for its bot, and one whose bot failed before it joined."""
    async with httpx.AsyncClient(base_url=host, headers=bearer("boss")) as client:
        for session_id in ("waits", "failed"):
            body = {"user_id": "ana", "session_id": session_id, "agent": "rolling"}
            assert (await client.post("/v1/sessions", json=body)).status_code == 201
    await runtime.exit(runtime.launch_of("failed").session.launch_id, exit_code=1)


async def run_all(cloud: PipecatCloud) -> dict[tuple[str, str], CloudAnswer]:
    at_once = asyncio.Semaphore(2)

    async def run(arguments: Sequence[str], output: str) -> CloudAnswer:
        async with at_once:
            return await cloud(*arguments, output=output)

    runs = {(what, output): run(each, output) for what, each in COMMANDS.items() for output in OUTPUTS}
    return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("what", COMMANDS)
def test_it_prints_each_state(said: dict[tuple[str, str], CloudAnswer], what: str, output: str) -> None:
    answer = said[what, output]

    assert answer.code == (1 if what == "start of none" else 0), answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("output", OUTPUTS)
def test_it_prints_a_bots_error_whole(said: dict[tuple[str, str], CloudAnswer], output: str) -> None:
    for name in ("refused", "never"):
        words = said[f"status of {name}", output].text.replace("│", " ").split()
        assert "[ budget]. The bot raised ValueError in [ /app/bot.py]." in " ".join(words)


@pytest.mark.parametrize("output", OUTPUTS)
def test_it_shows_what_serves_and_what_comes(said: dict[tuple[str, str], CloudAnswer], output: str) -> None:
    assert "Progressing" in said["status of rolling", output].text
    assert "started successfully" in said["start", output].text
    assert "not in a healthy state" in said["start of none", output].text
    assert "a line" in said["logs", output].text
