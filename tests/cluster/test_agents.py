"""Agents of a cluster: from a ConfigMap to the Job of a call, and to an Event if it can't be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.site import ClusterSite, serve

DEPLOY = """\
agent_name = "clerk"
image = "registry.example.com/clerk:%d"
image_credentials = "clerk-registry"
secret_set = "clerk-keys"
max_session_duration = 600
[resources]
cpu = "500m"
memory = "384Mi"
"""
PODLINE = """\
no_caller_seconds = 20
[job.spec.template.metadata.annotations]
"example.com/team" = "sales"
"""
AGENT = {
    "metadata": {"name": "agent-clerk", "labels": {"podline.dev/agent": "clerk"}},
    "data": {"pcc-deploy.toml": DEPLOY % 1, "podline.toml": PODLINE},
}


async def agent(site: ClusterSite, name: str = "clerk") -> dict[str, Any]:
    found: list[dict[str, Any]] = (await site.client.get("/v1/agents")).json()["agents"]
    return next((each for each in found if each["name"] == name), {})


async def until_stored(plane: ControlPlane, namespace: str, serial: int) -> None:
    await plane.until(
        f"/api/v1/namespaces/{namespace}/configmaps/podline-agents",
        lambda found: f'"next":{serial + 1},' in found.get("data", {}).get("clerk", ""),
    )


async def test_a_call_with_an_agent_and_what_a_change_of_it_leaves_alone(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
    async with serve(plane, namespace, tmp_path, has_agents=True) as site:
        await plane.api("POST", config_maps, AGENT)
        await until_stored(plane, namespace, 1)
        session, _ = await site.live(session_id="one", agent="clerk")
        job, pod = await site.job("one"), await site.pod("one")
        await plane.api(
            "PATCH", f"{config_maps}/agent-clerk", {"data": {"pcc-deploy.toml": DEPLOY % 2}}, MERGE
        )
        await until_stored(plane, namespace, 2)
        await plane.api("PATCH", f"{config_maps}/agent-clerk", {"data": {"podline.toml": "idle = 1"}}, MERGE)
        events = await plane.until(
            f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.kind=ConfigMap",
            lambda found: found["items"],
        )
        broken = await agent(site)
    async with serve(plane, namespace, tmp_path, has_agents=True) as site:
        again = await agent(site)
        kept = (await site.client.get("/v1/sessions/one")).json()
        await site.client.delete("/v1/sessions/one")
        await site.until_over("one")
        gone = await site.start(session_id="two", agent="clerk")
        second = await site.job("two")
        await site.client.delete("/v1/sessions/two")
        await site.until_over("two")

    [bot] = pod["spec"]["containers"]
    assert (bot["image"], bot["command"]) == ("registry.example.com/clerk:1", ["python", "/podline"])
    assert [each["secretRef"]["name"] for each in bot["envFrom"]][:-1] == ["clerk-keys"]
    assert bot["resources"]["limits"] == {"cpu": "500m", "memory": "384Mi"}
    assert pod["spec"]["imagePullSecrets"] == [{"name": "clerk-registry"}]
    assert pod["metadata"]["annotations"]["example.com/team"] == "sales"
    assert job["metadata"]["labels"]["podline.dev/agent"] == "clerk"
    assert job["metadata"]["labels"]["podline.dev/agent-version"] == session["agent_version"]
    assert session["agent_version"].startswith("1-")
    assert kept["agent_version"] == session["agent_version"]
    assert "podline.toml: idle: there is no such key" in broken["problem"]
    assert [each["message"] for each in events["items"]] == [broken["problem"]]
    assert (again["version"], again["problem"]) == (broken["version"], broken["problem"])
    assert (gone["agent_version"], again["version"]["serial"]) == (again["version"]["id"], 2)
    assert bot_of(second)["image"] == "registry.example.com/clerk:2"


def bot_of(job: dict[str, Any]) -> dict[str, Any]:
    [bot] = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = bot
    return found
