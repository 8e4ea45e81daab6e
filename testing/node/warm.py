"""An agent that keeps warm bots on the nodes, for as long as a test or the bench wants."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from testing.node.site import PATIENCE_SECONDS, NodeSite
from testing.processes import eventually

AGENT: Final = "warm"
_CONFIG_MAP: Final = f"agent-{AGENT}"

_WAITING: Final = f"podline.dev/agent={AGENT},podline.dev/pool=waiting"

_DEFINITION: Final = """\
agent_name = "{agent}"
secret_set = "podline-bot"

[scaling]
min_agents = {kept}
"""
"""The bot of `shopping`, in the template's image and with its secret set."""


@contextlib.asynccontextmanager
async def warm_bots(site: NodeSite, kept: int) -> AsyncIterator[None]:
    """Keep so many bots of the agent warm; at the end wait until they are gone."""
    definition = _DEFINITION.format(agent=AGENT, kept=kept)
    literal = f"--from-literal=pcc-deploy.toml={definition}"
    await site.kubectl("create", "configmap", _CONFIG_MAP, literal)
    await site.kubectl("label", "configmap", _CONFIG_MAP, f"podline.dev/agent={AGENT}")
    try:
        yield
    finally:
        await site.kubectl("delete", "configmap", _CONFIG_MAP)
        # The Jobs of bots that have ended stay for as long as anyone may ask.
        pods = f"/api/v1/namespaces/{site.namespace}/pods?labelSelector={_WAITING}"
        await site.cluster.until(pods, lambda found: not any(map(is_running, found["items"])))


async def until_ready(site: NodeSite, kept: int) -> None:
    """Wait until so many bots wait, and none is being started."""

    async def are_ready() -> bool:
        agents: list[dict[str, Any]] = (
            (await site.client.get("/v1/agents")).raise_for_status().json()["agents"]
        )
        states = [each["warm"] for each in agents if each["name"] == AGENT]
        return any(each["ready"] == kept and each["starting"] == 0 for each in states)

    await eventually(are_ready, f"{kept} warm bots", within=PATIENCE_SECONDS)


def is_running(pod: dict[str, Any]) -> bool:
    """Return whether a pod runs, or may still do so."""
    return pod["status"].get("phase") in ("Pending", "Running")


async def waiting_pods(site: NodeSite, kept: int) -> list[dict[str, Any]]:
    """Return the pods of the bots that wait, once there are so many and all run."""

    def waiting(pods: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            pod
            for pod in pods["items"]
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]

    path = f"/api/v1/namespaces/{site.namespace}/pods?labelSelector={_WAITING}"
    return waiting(await site.cluster.until(path, lambda pods: len(waiting(pods)) == kept))


async def evict(site: NodeSite, pod: dict[str, Any]) -> httpx.Response | None:
    """Ask for a pod's eviction, as a drain does. Return the refusal; None if it is evicted."""
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    try:
        await site.cluster.api("POST", f"/api/v1/namespaces/{site.namespace}/pods/{name}/eviction", eviction)
    except httpx.HTTPStatusError as error:
        return error.response
    return None
