"""Pipecat Cloud's own command line and SDK against a cluster: from the first secret to the last session."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from testing.callers.keys import KEYS
from testing.callers.pipecat_cloud import CloudAnswer, PipecatCloud
from testing.callers.programs import run_python
from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import ClusterSite, serve
from tests.cluster.fixtures import new_namespace

DEPLOY = """\
agent_name = "clerk"
image = "registry.example.com/clerk:%s"
image_credentials = "registry"
secret_set = "Clerk_Keys"
max_session_duration = 600
[scaling]
min_agents = 0
max_agents = 5
[resources]
cpu = "500m"
memory = "384Mi"
"""
SDK = """\
import asyncio, json, sys
from pipecatcloud.session import Session, SessionParams
from pipecatcloud.exception import AgentStartError
async def start(agent):
    try:
        return await Session(agent, "browser", SessionParams(data={"lamp": "green"})).start()
    except AgentStartError as error:
        return {"code": error.error_code, "message": error.message}
print(json.dumps(asyncio.run(start(sys.argv[1]))))
"""


async def names_of(site: ClusterSite, path: str, label: str) -> list[str]:
    """The names of what has this label and is not about to go."""
    found = await site.plane.api("GET", f"{path}?labelSelector={label}")
    meta = [each["metadata"] for each in found["items"]]
    return [each["name"] for each in meta if "deletionTimestamp" not in each]


@dataclass
class Story:
    """What the command line said, step by step, and what the cluster then had."""

    said: dict[str, CloudAnswer] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    over: dict[str, Any] = field(default_factory=dict)
    back: dict[str, Any] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    dry_starts: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """An agent from its first secret to its end."""
    directory, story = tmp_path_factory.mktemp("project"), Story()
    plane.say("a line of the bot")
    async with (
        new_namespace(plane) as namespace,
        serve(plane, namespace, directory, has_agents=True, keys=KEYS) as site,
    ):
        cloud = PipecatCloud(str(site.client.base_url).rstrip("/"), "boss", directory)
        said = story.said
        said["organizations"] = await cloud("organizations", "list", output="plain")
        await write_secrets(cloud, said)
        await deploy_versions(cloud, said, directory)
        await hold_call(cloud, site, story)
        answer = await site.client.post("/v1/agents/clerk/rollback", json={})
        story.back = answer.json()
        said["deleted"] = await cloud("agent", "delete", "clerk", "--force")
        await cloud("secrets", "unset", "Clerk_Keys", "X", "--skip")
        said["left"] = await cloud("secrets", "list", "Clerk_Keys")
        await cloud("secrets", "delete", "Clerk_Keys", "--skip")
        story.secrets = await names_of(site, site.secrets, "podline.dev/secret-set")
        story.dry_starts = await names_of(site, site.jobs, "podline.dev/dry-start")
    return story


async def write_secrets(cloud: PipecatCloud, said: dict[str, CloudAnswer]) -> None:
    values = ("GOOGLE_API_KEY=very-secret", "X=1")
    said["set"] = await cloud("secrets", "set", "Clerk_Keys", *values, "--skip")
    await cloud("secrets", "set", "Clerk_Keys", "X=2", "--skip")
    registry = ("registry", "registry.example.com", "me:pass")
    said["pull"] = await cloud("secrets", "image-pull-secret", *registry, "--skip")
    said["sets"] = await cloud("secrets", "list")
    said["keys"] = await cloud("secrets", "list", "Clerk_Keys")


async def deploy_versions(cloud: PipecatCloud, said: dict[str, CloudAnswer], directory: Path) -> None:
    for step, tag in (("deployed", "1"), ("refused", "broken"), ("updated", "2")):
        (directory / "pcc-deploy.toml").write_text(DEPLOY % tag)
        said[step] = await cloud("deploy", "--yes")
        said[f"status when {step}"] = await cloud("agent", "status", "clerk")
    said["agents"] = await cloud("agent", "list")
    said["deployments"] = await cloud("agent", "deployments", "clerk")


async def hold_call(cloud: PipecatCloud, site: ClusterSite, story: Story) -> None:
    said = story.said
    said["started"] = await cloud("agent", "start", "clerk", "--force", "--api-key", "browser")
    with_token = said["started"].json["sessionId"]
    session_id = with_token.partition("~")[0]
    await site.pod(session_id)
    assert (await (await site.bot(session_id)).report()).status_code == 200
    story.job = await site.job(session_id)
    said["sessions"] = await cloud("agent", "sessions", "clerk")
    said["logs"] = await cloud("agent", "logs", "clerk", "--session-id", session_id)
    said["stopped"] = await cloud("agent", "stop", "clerk", "--session-id", with_token, "--force")
    story.over = await site.until_over(session_id)
    said["details"] = await cloud("agent", "sessions", "clerk", "--id", session_id)


def test_the_organization_is_podlines(story: Story) -> None:
    assert "podline" in story.said["organizations"].out


def test_secret_sets_are_listed_by_name_and_kind_without_values(story: Story) -> None:
    sets = {(each["name"], each["type"]) for each in story.said["sets"].json["secretSets"]}

    assert (story.said["set"].code, story.said["pull"].code) == (0, 0)
    assert sets == {("Clerk_Keys", "secretSet"), ("registry", "imagePullSecret")}
    assert [each["fieldName"] for each in story.said["keys"].json["secrets"]] == ["GOOGLE_API_KEY", "X"]
    assert not any("very-secret" in answer.out for answer in story.said.values())


def test_a_deployment_is_ready_once_its_bot_has_started_dry(story: Story) -> None:
    deployed = story.said["deployed"]

    assert (deployed.code, deployed.json["ready"], deployed.json["deploymentId"][:2]) == (0, True, "1-")
    spec = story.said["status when deployed"].json["deployment"]["manifest"]["spec"]
    assert spec == {
        "image": "registry.example.com/clerk:1",
        "maxSessionDurationSeconds": 600,
        "dailyNodeType": "cpu=500m, memory=384Mi",
    }
    assert story.dry_starts == []


def test_a_bot_that_can_t_start_is_refused_with_its_own_error_and_the_old_version_stays(story: Story) -> None:
    refused = story.said["refused"]

    assert refused.code == 1
    assert "bot.py can't be imported: the bot raised ValueError in bot.py, line 3." in refused.text
    active = story.said["status when refused"].json["activeDeploymentId"]
    assert active == story.said["deployed"].json["deploymentId"]


def test_agents_and_deployments_are_listed(story: Story) -> None:
    assert "clerk" in [each["name"] for each in story.said["agents"].json["agents"]]
    deployments = story.said["deployments"].json["deployments"]
    assert [each["id"][:2] for each in deployments] == ["2-", "1-"]


def test_a_call_runs_the_deployed_image_with_its_secret_set(story: Story) -> None:
    spec = story.job["spec"]["template"]["spec"]
    [bot] = spec["containers"]
    secrets = [each["secretRef"]["name"] for each in bot["envFrom"]]

    assert bot["image"] == "registry.example.com/clerk:2"
    assert len([each for each in secrets if each.startswith("podline-set-")]) == 2
    assert [each["name"].startswith("podline-set-") for each in spec["imagePullSecrets"]] == [True]


def test_sessions_are_listed_read_and_stopped(story: Story) -> None:
    assert [each["endState"] for each in story.said["sessions"].json["sessions"]] == ["active"]
    assert "a line of the bot" in [each["log"] for each in story.said["logs"].json["logs"]]
    assert (story.said["stopped"].code, story.over["reason"]) == (0, "stopped")
    assert story.said["details"].json["endState"] == "terminated"


def test_a_rollback_is_one_call(story: Story) -> None:
    assert story.back["version"]["serial"] == 3
    assert story.back["version"]["definition"]["image"] == "registry.example.com/clerk:1"


def test_what_is_deleted_is_gone(story: Story) -> None:
    assert story.said["deleted"].code == 0
    assert [each["fieldName"] for each in story.said["left"].json["secrets"]] == ["GOOGLE_API_KEY"]
    assert len(story.secrets) == 1


async def test_what_podline_does_not_have_says_what_to_do(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    manifest = {
        "metadata": {"name": "agent-usher", "labels": {"podline.dev/agent": "usher"}},
        "data": {"pcc-deploy.toml": 'image = "usher:1"'},
    }
    async with serve(plane, namespace, tmp_path, has_agents=True, keys=KEYS) as site:
        await plane.api("POST", f"/api/v1/namespaces/{namespace}/configmaps", manifest)
        await until_callable(site, "usher")
        cloud = PipecatCloud(str(site.client.base_url).rstrip("/"), "boss", tmp_path)
        reader = PipecatCloud(str(site.client.base_url).rstrip("/"), "reader", tmp_path)
        deploying = ["deploy", "usher", "usher:2", "--yes", "--no-credentials"]
        said = {
            "an operator's agent": await cloud(*deploying),
            "no right to deploy": await reader("deploy", "clerk", "clerk:1", "--yes", "--no-credentials"),
            "no such agent": await cloud("agent", "sessions", "ghost"),
            "spending": await cloud("spend-limit", "show"),
            "a new key": await cloud("organizations", "keys", "create", "--name", "site"),
            "a wrong key": await PipecatCloud(cloud.host, "wrong", tmp_path)("agent", "list"),
        }
        public = await cloud("organizations", "keys", "list", output="plain")
        by_sdk = await sdk(cloud, "usher")
        unknown = await sdk(cloud, "ghost")
        session = await site.client.get(f"/v1/sessions/{by_sdk['sessionId'].partition('~')[0]}")

    texts = {name: answer.text for name, answer in said.items()}
    assert {name: answer.code for name, answer in said.items()} == dict.fromkeys(said, 1)
    assert "is defined by the ConfigMap agent-usher: change that instead" in texts["an operator's agent"]
    assert "lacks the scope 'admin'" in texts["no right to deploy"]
    assert "There is no agent 'ghost'" in texts["no such agent"]
    assert "Podline sends no bills" in texts["spending"]
    assert "PODLINE_KEYS_FILE" in texts["a new key"]
    assert "browser" in public.out
    assert session.json()["agent"] == "usher"
    assert session.json()["user_id"].startswith("anonymous-")
    assert unknown["code"] == "agent_not_found"


async def until_callable(site: ClusterSite, agent: str) -> None:
    async with asyncio.timeout(60):
        while (await site.client.get(f"/v1/agents/{agent}")).json().get("version") is None:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.1)


async def sdk(cloud: PipecatCloud, agent: str) -> dict[str, Any]:
    """Start a session with Pipecat Cloud's SDK, in a process of its own."""
    code, out, errors = await run_python("-c", SDK, agent, variables=cloud.variables())
    assert code == 0, errors
    found: dict[str, Any] = json.loads(out)
    return found
