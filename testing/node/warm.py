"""An agent that keeps warm bots on the nodes, for as long as a test or the bench wants."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from testing.node.site import PATIENCE_SECONDS, NodeSite
from testing.processes import until_warm_bots_wait

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
    await until_warm_bots_wait(site.client, AGENT, kept, PATIENCE_SECONDS)


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
