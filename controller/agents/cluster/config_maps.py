"""Agents of a cluster: ConfigMaps with the label podline.dev/agent, and deployments through the API."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

from controller.agents.built_in import BuiltInAgents
from controller.agents.cluster.checks import ClusterChecks
from controller.agents.cluster.definition_reports import DefinitionReports
from controller.agents.cluster.followed_agent import FollowedAgent
from controller.agents.cluster.source import Source
from controller.agents.cluster.version_store import VersionStore
from controller.agents.definitions import InvalidDefinition, ReadDefinition
from controller.agents.versions import Versions
from controller.core.agents import BUILT_IN, AgentStatus, AgentVersion, DryStartOutcome
from controller.core.errors import AgentInvalid, AgentNotFound, RuntimeUnavailable
from controller.core.primitives.clock import Clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.collection import Collection
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import ConfigMap
from controller.runtimes.kubernetes.client.watch import WATCH_SECONDS, Gone, Listed, Seen, Watch
from controller.runtimes.observation_queue import ObservationQueue

log = logging.getLogger("podline.agents")


_NOT_LISTED: Final = "The agents are not known right now. Try again in a few seconds."
_UNFORESEEN: Final = (
    "The controller failed while it started the bot without a call. See its log, and deploy it again."
)
_CHECK_AGAIN_SECONDS: Final = 10.0
"""What the cluster refuses may be allowed later, for example by another list of the admission rules."""


class ConfigMapAgents:
    """Implements `Agents`. The agent of a fresh install is there without a ConfigMap too."""

    def __init__(
        self,
        client: NamespaceClient,
        checks: ClusterChecks,
        *,
        clock: Clock,
        rng: random.Random,
        watch_seconds: float = WATCH_SECONDS,
        check_again_seconds: float = _CHECK_AGAIN_SECONDS,
    ) -> None:
        """Send nothing yet. The client's connection is opened and closed by `watch`."""
        self._api = client.api
        self._checks = checks
        self._clock = clock
        self._check_again_seconds = check_again_seconds
        self._watch = Watch(
            Collection(client.api, client.config_maps, ConfigMap, names.AGENT_LABEL),
            rng,
            watch_seconds=watch_seconds,
        )
        self._store = VersionStore(client, rng)
        self._reports = DefinitionReports(client, clock)
        self._built_in = BuiltInAgents()
        self._agents: dict[str, FollowedAgent] = {}
        self._duplicates: dict[str, Source] = {}
        self._deploying = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._statuses: ObservationQueue[AgentStatus] = ObservationQueue()

    def current(self, name: str) -> AgentVersion:
        agent = self._agents.get(name)
        if agent is not None and agent.source is not None and agent.versions.active is not None:
            return agent.versions.active
        if name == BUILT_IN.name:
            return BUILT_IN
        if agent is None or agent.source is None:
            raise AgentNotFound(name)
        raise AgentInvalid(name, is_starting=agent.deploying is not None)

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        if (name, version_id) == (BUILT_IN.name, BUILT_IN.id):
            return BUILT_IN
        agent = self._agents.get(name)
        return None if agent is None else agent.find(version_id)

    def versions(self, name: str) -> Sequence[AgentVersion]:
        agent = self._agents.get(name)
        kept = agent.versions.kept if agent is not None else ()
        return kept or self._built_in.versions(name)

    def all(self) -> Sequence[AgentStatus]:
        found = {status.name: status for status in self._built_in.all()}
        agents = (each for each in self._agents.values() if each.source is not None)
        found |= {each.name: self._status(each) for each in agents}
        return [found[name] for name in sorted(found)]

    def not_ready_reason(self) -> str | None:
        reason = self._unread_reason() or self._watch.health.not_ready_reason
        return None if reason is None else f"The agents are not known right now. {reason}"

    def _unread_reason(self) -> str | None:
        return self._checks.not_ready_reason() or self._store.not_ready_reason

    def watch(self) -> AsyncGenerator[AgentStatus, None]:
        return self._statuses.read_during(self._run())

    def source(self, name: str) -> Source | None:
        """Return where an agent's definition comes from; None if there is no such agent."""
        agent = self._agents.get(name)
        return None if agent is None else agent.source

    @asynccontextmanager
    async def changing(self) -> AsyncGenerator[None, None]:
        """Keep everybody else from changing agents, and the cluster from changing what is known of them.

        Raises:
            RuntimeUnavailable: not all agents are known yet.
        """
        async with self._deploying:
            if self._unread_reason() is not None or not self._watch.health.is_listed:
                raise RuntimeUnavailable(self.not_ready_reason() or _NOT_LISTED)
            yield

    async def deploy(self, source: Source) -> None:
        """Take up a deployment through the API. Return once it is stored. Call it while `changing`.

        Raises:
            InvalidRequest: there is no room for it.
            ApiError: it could not be stored.
        """
        known = self._agents.get(source.agent)
        versions = known.versions if known is not None else Versions()
        await self._store.write(source.agent, versions, source)
        if known is not None:
            # Whoever deploys it again has changed something, perhaps a secret.
            known.failed = None
        await self._take(source)

    async def remove(self, name: str) -> None:
        """Remove an agent that was deployed through the API. Call it while `changing`. Raises ApiError."""
        agent = self._agents[name]
        await self._store.write(name, agent.versions, None)
        await self._remove(agent)

    async def _run(self) -> None:
        async with self._api:
            await self._checks.prepare()
            stored = await self._store.load()
            for name, (versions, _) in stored.items():
                self._agents[name] = FollowedAgent(name, versions)
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._store.run())
                self._tasks.create_task(self._checks.claim())
                self._tasks.create_task(self._follow_store())
                self._tasks.create_task(self._check_again())
                for _, source in stored.values():
                    if source is not None:
                        async with self._deploying:
                            await self._take(source)
                await self._follow()

    async def _follow(self) -> None:
        async with aclosing(self._watch.changes()) as changes:
            async for change in changes:
                async with self._deploying:
                    match change:
                        case Seen(object=config_map):
                            await self._take_config_map(config_map)
                        case Gone(name=name):
                            await self._forget_config_map(name)
                        case Listed():
                            pass

    async def _follow_store(self) -> None:
        while True:
            await self._store.replaced()
            async with self._deploying:
                for name, (versions, source) in self._store.replacements().items():
                    await self._take_stored(name, versions, source)

    async def _take_stored(self, name: str, versions: Versions, source: Source | None) -> None:
        """Take up what a former controller has stored of an agent after this one had read it."""
        agent = self._agents.setdefault(name, FollowedAgent(name))
        agent.take_stored(versions)
        if agent.versions.next_serial > versions.next_serial:
            self._store.put(name, agent.versions, source)
        if source is None and agent.source is not None and agent.source.config_map is None:
            await self._remove(agent)
        elif (current := source or agent.source) is not None:
            await self._take(current)

    async def _check_again(self) -> None:
        while True:
            await asyncio.sleep(self._check_again_seconds)
            for agent in list(self._agents.values()):
                async with self._deploying:
                    if agent.is_refused and agent.source is not None:
                        await self._take(agent.source)

    async def _take_config_map(self, config_map: ConfigMap) -> None:
        source = Source.of(config_map)
        former = self._defined_in(config_map.metadata.name)
        if former is not None and former.name != source.agent:
            # It has another label than before.
            await self._forget_config_map(config_map.metadata.name)
        await self._take(source)

    async def _take(self, source: Source) -> None:
        """Make what a source defines the active version, or keep the last and say why."""
        name = source.agent
        was_duplicate = self._duplicates.pop(source.config_map_name or "", None) is not None
        agent = self._agents.setdefault(name, FollowedAgent(name))
        if agent.source is not None and source.is_another_than(agent.source):
            if source.config_map is not None:
                self._duplicates[source.config_map.metadata.name] = source
                if not was_duplicate:
                    await self._reports.duplicate(agent.source, source.config_map)
            return
        before = self._status(agent) if agent.source is not None else None
        agent.source = source
        agent.problem, agent.is_refused = await self._deploy(agent, source)
        after = self._status(agent)
        if after != before:
            self._statuses.put(after)
        if agent.problem is not None and (before is None or before.problem != agent.problem):
            await self._reports.problem(source, agent.problem)

    async def _deploy(self, agent: FollowedAgent, source: Source) -> tuple[str | None, bool]:
        """Deploy what is valid, or start it dry. Return what is wrong, and whether that may pass."""
        try:
            found = source.read()
        except InvalidDefinition as error:
            agent.end_dry_start()
            return str(error), False
        if agent.versions.has(found.definition, source.redeploy):
            agent.end_dry_start()
            agent.show(found)
            return None, False
        if (problem := agent.problem_of_failed(found.definition, source.redeploy)) is not None:
            return problem, False
        if agent.is_starting(found.definition, source.redeploy):
            return None, False
        agent.end_dry_start()
        if (problem := await self._checks.find_problem(found.definition)) is not None:
            return problem, True
        if agent.is_return_to_former(found.definition):
            self._make_active(agent, found)
        elif self._tasks is not None:
            version = agent.versions.next(found.definition, source.kept_files)
            agent.begin_dry_start(version, self._tasks.create_task(self._try(agent, version, found)))
        return None, False

    async def _try(self, agent: FollowedAgent, version: AgentVersion, found: ReadDefinition) -> None:
        """Start a version dry, and make it the active one if it can take calls."""
        outcome = await self._start_dry(version)
        async with self._deploying:
            if agent.deploying is not version or agent.source is None:
                return
            agent.dry_start_ended()
            if outcome.problem is None:
                self._make_active(agent, found, outcome.note)
            else:
                agent.problem, agent.is_refused = outcome.problem, outcome.may_pass
                if not outcome.may_pass:
                    agent.failed = (version.definition, agent.source.redeploy, outcome.problem)
                await self._reports.problem(agent.source, outcome.problem)
            self._statuses.put(self._status(agent))

    async def _start_dry(self, version: AgentVersion) -> DryStartOutcome:
        try:
            return await self._checks.start_dry(version)
        except Exception:
            # It is one agent's: the others are followed all the same.
            about = {"agent": version.name, "agent_version": version.id}
            log.exception("dry start failed unexpectedly", extra=about)
            return DryStartOutcome(problem=_UNFORESEEN)

    def _make_active(self, agent: FollowedAgent, found: ReadDefinition, note: str | None = None) -> None:
        agent.make_active(found, note, self._clock.now())
        self._store.put(agent.name, agent.versions, agent.source)

    async def _forget_config_map(self, name: str) -> None:
        self._duplicates.pop(name, None)
        agent = self._defined_in(name)
        if agent is not None:
            await self._remove(agent)

    async def _remove(self, agent: FollowedAgent) -> None:
        agent.lose_source()
        heirs = [each for each in self._duplicates.values() if each.agent == agent.name]
        if heirs:
            await self._take(heirs[0])
        else:
            agent.retire_versions()
            self._store.remove(agent.name, agent.versions)
            is_built_in = agent.name == BUILT_IN.name
            self._statuses.put(AgentStatus(name=agent.name, version=BUILT_IN if is_built_in else None))

    def _status(self, agent: FollowedAgent) -> AgentStatus:
        """Return the status of an agent. The built-in one takes calls until another version of it does."""
        status = agent.status()
        if status.version is not None or agent.name != BUILT_IN.name:
            return status
        [built_in] = self._built_in.all()
        return replace(status, version=built_in.version, panel=built_in.panel)

    def _defined_in(self, config_map_name: str) -> FollowedAgent | None:
        for agent in self._agents.values():
            if agent.source is not None and agent.source.config_map_name == config_map_name:
                return agent
        return None
