"""Projects of `pipecat init`, called in pods: no line of them knows of Podline.

The realtime project's own Dockerfile has made its image, and Pipecat Cloud's command line deploys it. An
operator deploys the cascaded one: its `bot.py` is mounted into that image, which has the packages it needs,
because another image would take one more minute and gigabyte.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dotenv import dotenv_values

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.builds.agent_image import IMAGE, PROJECT, ensure_agent_image
from testing.node.agents import (
    MOUNTED,
    deploy,
    deploy_as_on_pipecat_cloud,
    image_on,
    knocks,
    knocks_from_node,
    let_reach_openai,
    sandbox_variables,
    within,
)
from testing.node.moving import only
from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite, own_site, secret_values
from testing.processes import eventually
from testing.projects.calls import CHECK_USAGE, check_record, converse
from testing.projects.generated import CASCADE, REALTIME, generate

NODE = "node-0"
PROJECTS = {kind.name: kind for kind in (REALTIME, CASCADE)}


@dataclass(frozen=True)
class Called:
    """A call of a project, and what was seen of its pod meanwhile.

    Attributes:
        version: of the agent's definition, as the controller lists it.
        session: as it is recorded in the end.
        job: likewise.
        within: of the bot's container.
        reached_other: what its pod got from the other project's.
    """

    version: dict[str, Any]
    session: dict[str, Any]
    job: dict[str, Any]
    within: dict[str, Any]
    reached_other: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(installed: NodeCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The directories of both projects, with `.env` and the name of an image written by their user."""
    directory = tmp_path_factory.mktemp("projects")
    variables = await sandbox_variables(installed)
    made = await asyncio.gather(
        *(asyncio.to_thread(generate, kind, directory, variables) for kind in PROJECTS.values())
    )
    for server in made:
        definition = server / "pcc-deploy.toml"
        definition.write_text(f'image = "{IMAGE}"\n{definition.read_text()}')
    return dict(zip(PROJECTS, made, strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(installed: NodeCluster, servers: dict[str, Path], voice: Voice) -> dict[str, Called]:
    """Both projects, called at the same time."""
    async with contextlib.AsyncExitStack() as made:
        image = image_on(installed, NODE, ensure_agent_image(), IMAGE)
        site, _ = await asyncio.gather(
            made.enter_async_context(own_site(installed, "projects")), made.enter_async_context(image)
        )
        await made.enter_async_context(only(installed, NODE))
        await let_reach_openai(site)
        [mounted] = PROJECTS.keys() - {PROJECT.name}
        code = f"{mounted}-code"
        await site.kubectl("create", "configmap", code, f"--from-file={servers[mounted] / 'bot.py'}")
        (servers[mounted] / "podline.toml").write_text(MOUNTED % {"config_map": code})
        own = PROJECT.name
        versions = {
            own: await deploy_as_on_pipecat_cloud(site, own, servers[own]),
            mounted: await deploy(site, mounted, servers[mounted]),
        }
        await asyncio.gather(*(until_a_bot_waits(site, name) for name in servers))
        async with contextlib.AsyncExitStack() as stack:
            callers = await asyncio.gather(*(begin(site, name, voice, stack) for name in servers))
            await asyncio.gather(*(converse(caller) for caller in callers))
            pods = {name: await site.pod(session_of(name)) for name in servers}
            reached = dict(zip(pods, await reach_each_other(site, *pods.values()), strict=True))
            found = {name: await within(site, pod) for name, pod in pods.items()}
        ends = dict(
            zip(servers, await asyncio.gather(*(end_of(site, name) for name in servers)), strict=True)
        )
        # No more bots are to wait.
        (await site.client.put("/v1/drain", json={"draining": True})).raise_for_status()
        await site.kubectl("delete", "jobs", "--all")
    return {name: Called(versions[name], *ends[name], found[name], reached[name]) for name in servers}


async def begin(site: NodeSite, agent: str, voice: Voice, stack: contextlib.AsyncExitStack) -> Caller:
    """Start a session of an agent and join it; the stack hangs up."""
    session = await site.start(session_id=session_of(agent), agent=agent)
    room = RoomAddress(f"{site.url}/sessions/{session['id']}/api/offer", session["room"]["token"])
    caller, _ = await stack.enter_async_context(calling(site.url, voice, room=room))
    return caller


async def until_a_bot_waits(site: NodeSite, agent: str) -> None:
    async def does_one_wait() -> bool:
        agents = (await site.client.get("/v1/agents")).raise_for_status().json()["agents"]
        return any(each["name"] == agent and each["warm"]["ready"] for each in agents)

    await eventually(does_one_wait, "a bot that waits", within=90)


async def reach_each_other(site: NodeSite, one: dict[str, Any], other: dict[str, Any]) -> tuple[str, str]:
    for pod in (one, other):
        assert await knocks_from_node(pod) == "ConnectionRefusedError"
    return await asyncio.gather(knocks(site, one, other), knocks(site, other, one))


def session_of(agent: str) -> str:
    return f"{agent}-call"


async def end_of(site: NodeSite, agent: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The session and its Job, once its end is on both."""
    session = await site.until_over(session_of(agent))
    return session, await site.recorded_job(session_of(agent))


@pytest.fixture(params=PROJECTS)
def called(calls: dict[str, Called], request: pytest.FixtureRequest) -> tuple[str, Called]:
    """A project's name and its call."""
    return request.param, calls[request.param]


def test_a_project_is_called_and_each_service_is_measured(called: tuple[str, Called]) -> None:
    name, call = called

    check_record(call.session, name)
    CHECK_USAGE[name](call.session["usage"])


def test_a_project_that_asks_for_a_warm_bot_is_called_by_it(called: tuple[str, Called]) -> None:
    """`pipecat init` writes `min_agents = 1`."""
    _, call = called

    assert not call.session["cold_start"]
    assert call.job["metadata"]["labels"]["podline.dev/pool"] == "claimed"


def test_session_and_job_name_agent_and_version(called: tuple[str, Called]) -> None:
    name, call = called

    assert call.session["agent_version"] == call.version["id"]
    labels = call.job["metadata"]["labels"]
    assert (labels["podline.dev/agent"], labels["podline.dev/agent-version"]) == (name, call.version["id"])
    assert labels["podline.dev/reason"] == "caller_left"
    [bot] = call.job["spec"]["template"]["spec"]["containers"]
    assert bot["image"] == IMAGE


def test_its_container_is_locked_down_whatever_its_image_says(called: tuple[str, Called]) -> None:
    _, call = called

    assert call.within["user"] == 10001
    assert call.within["root_is_read_only"]
    assert not call.within["has_token"]
    assert (call.within["home"], call.within["home_is_writable"]) == ("/tmp", True)  # noqa: S108 - a pod's own


async def test_its_bot_has_its_own_secret_set_and_nothing_of_anothers(
    called: tuple[str, Called], servers: dict[str, Path], installed: NodeCluster
) -> None:
    name, call = called
    sets = {project: set(dotenv_values(server / ".env")) for project, server in servers.items()}
    sets["shopping"] = set(await secret_values(installed, "podline-bot"))
    own = sets.pop(name)

    environment = set(call.within["environment"])
    assert own <= environment
    assert not environment & (set().union(*sets.values()) - own)


def test_its_pod_does_not_reach_another_agents(called: tuple[str, Called]) -> None:
    _, call = called

    assert call.reached_other == "TimeoutError"
