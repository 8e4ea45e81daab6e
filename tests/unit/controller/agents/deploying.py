"""Deploying to agents that are followed, with dry starts that a test holds back or lets fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from controller.agents.cluster.deployments import ClusterDeployments
from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.agents import AgentVersion, DryStartOutcome
from controller.core.primitives.clock import system_clock
from testing.fakes.controllers.secret_sets import MemorySecretSets
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.followed_agents import Followed

IMAGE = 'image = "registry.example.com/clerk:%s"\n'


class Starts:
    """Dry starts that a test lets end. Bots with the image `broken` fail until they are repaired."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.is_repaired = False
        self.error: Exception | None = None

    async def __call__(self, version: AgentVersion) -> DryStartOutcome:
        self.begun.append(version.id)
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        if (version.definition.image or "").endswith(":broken") and not self.is_repaired:
            return DryStartOutcome(problem="bot.py can't be imported.")
        return DryStartOutcome(note="bot.py, line 3, reads the variable X, which is not set.")


def deployments(followed: Followed, sets: MemorySecretSets | None = None) -> ClusterDeployments:
    return ClusterDeployments(followed.agents, sets or MemorySecretSets(), system_clock().now)


async def deploy(
    followed: Followed, tag: str, name: str = "clerk", *, podline: str = "", again: bool = False
) -> None:
    files = {"pcc-deploy.toml": IMAGE % tag, "podline.toml": podline}
    await deployments(followed).deploy(name, files, again=again)


async def settled(followed: Followed, name: str = "clerk") -> None:
    await followed.until(lambda: followed.status(name).deploying is None)


async def deployed(
    followed: Followed, tag: str, name: str = "clerk", *, podline: str = "", again: bool = False
) -> None:
    """Deploy, and wait for what becomes of it."""
    await deploy(followed, tag, name, podline=podline, again=again)
    await settled(followed, name)


def image(followed: Followed, name: str = "clerk") -> str | None:
    return followed.agents.current(name).definition.image


async def claimed(server: ApiServer) -> None:
    """Wait until the first controller has claimed the versions: it writes them once, with nothing changed."""
    await server.until_asked(lambda asked: asked.method == "PATCH" and asked.path.endswith(CONFIG_MAP))


def stored(server: ApiServer, name: str = "clerk") -> Any:
    """What is stored of an agent, None for one of which nothing is."""
    data = server.objects.get("configmaps", "podline", CONFIG_MAP).get("data", {})
    return json.loads(data[name]) if name in data else None
