"""Agents of a site on the test nodes, deployed as docs/deploying-agents.md says, and what their pods have."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE
from testing.callers.pipecat_cloud import PipecatCloud
from testing.node.node_cluster import NodeCluster
from testing.node.site import PATIENCE_SECONDS, NodeSite, secret_values
from testing.node.worker import run

_POLICY: Final = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: podline-bot-to-openai
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: podline-bot}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {}
          podSelector:
            matchLabels: {app.kubernetes.io/name: podline-sandbox}
      ports:
        - {port: openai, protocol: TCP}
"""
"""The overlay's own, for bots of another namespace."""

MOUNTED: Final = """\
[[job.spec.template.spec.volumes]]
name = "code"
configMap = {name = "%(config_map)s"}

[[job.spec.template.spec.containers]]
name = "bot"

[[job.spec.template.spec.containers.volumeMounts]]
name = "code"
mountPath = "/app/bot.py"
subPath = "bot.py"
"""
"""A `podline.toml`: the bot's file comes from a ConfigMap, into an image that has the packages it needs."""

_WITHIN: Final = """
import json, os, pathlib
variables = pathlib.Path("/proc/1/environ").read_text().split(chr(0))
print(json.dumps({
    "user": os.getuid(),
    "environment": [each.partition("=")[0] for each in variables if each],
    "root_is_read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "home": os.environ["HOME"],
    "home_is_writable": os.access(os.environ["HOME"], os.W_OK),
    "has_token": os.path.exists("/var/run/secrets/kubernetes.io"),
}))
"""
"""Run in a bot's container; the bot is its first process."""

_CLOSED_PORT: Final = 40000
_DROPPED_SECONDS: Final = 3.5
"""Nothing comes any more after so long a silence: TCP has asked three times by then."""

_KNOCK: Final = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
except OSError as error:
    print(type(error).__name__)
"""


@contextlib.asynccontextmanager
async def image_on(cluster: NodeCluster, node: str, archive: Path, image: str) -> AsyncIterator[None]:
    """Have an image on one node, and its disk space back at the end."""
    worker = cluster.worker(node)
    await worker.load([archive])
    try:
        yield
    finally:
        await run(worker.ctr("images", "remove", image))


async def sandbox_variables(cluster: NodeCluster) -> dict[str, str]:
    """What bots in pods need to know of the overlay's sandbox, by the names in its `sandbox.env`."""
    of_shopping = await secret_values(cluster, "podline-bot")
    openai = {
        "OPENAI_API_KEY": of_shopping["GOOGLE_API_KEY"],
        "OPENAI_BASE_URL": "http://podline-sandbox:8081/v1",
    }
    return {**of_shopping, **openai}


async def let_reach_openai(site: NodeSite) -> None:
    """Let a site's bots reach the overlay's OpenAI."""
    await site.cluster.kubectl(f"--namespace={site.namespace}", "apply", "--filename=-", stdin=_POLICY)


async def deploy_as_on_pipecat_cloud(site: NodeSite, name: str, server: Path) -> dict[str, Any]:
    """Deploy a project as its author does on Pipecat Cloud, and return the version that is active then."""
    cloud = PipecatCloud(site.url, site.key, server)
    written = await cloud("secrets", "set", f"{name}-secrets", "--file", ".env", "--skip")
    assert written.code == 0, written.text
    deployed = await cloud("deploy", "--yes")
    assert deployed.code == 0, deployed.text
    assert deployed.json["ready"], deployed.text
    version: dict[str, Any] = (await site.client.get(f"/v1/agents/{name}")).json()["version"]
    return version


async def deploy(site: NodeSite, name: str, server: Path) -> dict[str, Any]:
    """Deploy a project as an operator, and return the version that is active then."""
    secret_set = f"{name}-secrets"
    await site.kubectl("create", "secret", "generic", secret_set, f"--from-env-file={server / '.env'}")
    files = [path for path in (server / DEPLOY_FILE, server / PODLINE_FILE) if path.exists()]
    config_map = f"agent-{name}"
    await site.kubectl("create", "configmap", config_map, *(f"--from-file={path}" for path in files))
    await site.kubectl("label", "configmap", config_map, f"podline.dev/agent={name}")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            agents = (await site.client.get("/v1/agents")).raise_for_status().json()["agents"]
            for agent in agents:
                if agent["name"] == name:
                    assert agent["problem"] is None, agent["problem"]
                    # It has none until its bot has started dry.
                    if agent["version"] is not None:
                        version: dict[str, Any] = agent["version"]
                        return version
            await asyncio.sleep(0.1)  # seen from outside only


async def within(site: NodeSite, pod: dict[str, Any]) -> dict[str, Any]:
    """Return what a bot's container has: user, environment, what it can write to."""
    found: dict[str, Any] = json.loads(await _python(site, pod, _WITHIN))
    return found


async def knocks(site: NodeSite, pod: dict[str, Any], other: dict[str, Any]) -> str:
    """Return what a pod gets from a port of another at which nobody listens: the error's name.

    ConnectionRefusedError is an answer of that pod, and TimeoutError means that none came.
    """
    target = (other["status"]["podIP"], str(_CLOSED_PORT), str(_DROPPED_SECONDS))
    return (await _python(site, pod, _KNOCK, *target)).strip()


async def knocks_from_node(pod: dict[str, Any]) -> str:
    """Return what a pod's own node gets from that port, which policies never keep from it."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(pod["status"]["podIP"], _CLOSED_PORT)
    except OSError as error:
        return type(error).__name__
    writer.close()
    return ""


async def _python(site: NodeSite, pod: dict[str, Any], program: str, *arguments: str) -> str:
    name = pod["metadata"]["name"]
    return await site.kubectl("exec", name, "--container=bot", "--", "python", "-c", program, *arguments)
