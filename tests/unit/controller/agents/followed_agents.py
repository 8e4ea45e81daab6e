"""Agents in the ConfigMaps of a cluster that is played, watched as a controller does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from controller.agents.cluster.checks import ClusterChecks
from controller.agents.cluster.config_maps import ConfigMapAgents
from controller.core.agents import AgentStatus, AgentVersion, DryStartOutcome
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.definition_check import DefinitionCheck
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import access_to

PATIENCE_SECONDS = 30
"""Only a hang takes this long."""


class Followed:
    """Agents that are watched, and the changes that they have yielded, without those of dry starts."""

    def __init__(self, agents: ConfigMapAgents) -> None:
        self.agents = agents
        self.changes: list[AgentStatus] = []
        self._news = asyncio.Event()

    async def follow(self) -> None:
        async with aclosing(self.agents.watch()) as changes:
            async for change in changes:
                if change.deploying is None:
                    self.changes.append(change)
                self._news.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds; looks at each piece of news, and often for what is none."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._news.wait()

    async def change(self) -> AgentStatus:
        """The next change."""
        await self.until(lambda: self.changes)
        return self.changes.pop(0)

    def status(self, name: str = "clerk") -> AgentStatus:
        return next(each for each in self.agents.all() if each.name == name)

    def version(self, name: str = "clerk") -> str:
        return self.agents.current(name).id


async def nothing() -> None:
    pass


async def starts_well(_version: AgentVersion) -> DryStartOutcome:
    return DryStartOutcome()


@asynccontextmanager
async def following(
    server: ApiServer,
    *,
    until_ready: bool = True,
    start_dry: Callable[[AgentVersion], Awaitable[DryStartOutcome]] = starts_well,
    may_write: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Followed]:
    with access_to(server) as access:
        client = NamespaceClient(Api(access, may_write=may_write), "podline")
        check = DefinitionCheck(
            client=client, template=made.template(), grace_seconds=30, keep_ended_seconds=60
        )
        checks = ClusterChecks(
            prepare=nothing,
            claim=nothing,
            not_ready_reason=lambda: None,
            find_problem=check.problem,
            start_dry=start_dry,
        )
        agents = ConfigMapAgents(
            client,
            checks,
            clock=system_clock(),
            rng=random.Random(1),  # noqa: S311 - the same each time
            check_again_seconds=0.05,
        )
        followed = Followed(agents)
        running = asyncio.create_task(followed.follow())
        try:
            if until_ready:
                await followed.until(lambda: running.done() or agents.not_ready_reason() is None)
            yield followed
        finally:
            running.cancel()
            await asyncio.wait([running])


def define(
    server: ApiServer,
    name: str = "clerk",
    deploy: str = "",
    podline: str = "",
    files: Mapping[str, str] | None = None,
    **more: Any,
) -> None:
    data = {"pcc-deploy.toml": deploy, "podline.toml": podline, **(files or {})}
    metadata = {"name": f"agent-{name}", "labels": {"podline.dev/agent": name}, **more}
    server.objects.create("configmaps", "podline", {"metadata": metadata, "data": data})
