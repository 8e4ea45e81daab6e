"""Agents of a cluster: a ConfigMap with the label podline.dev/agent for each, its files as keys."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from controller.agents.built_in import BuiltInAgents
from controller.agents.definitions import (
    MOST_PANEL_BYTES,
    InvalidDefinition,
    ReadDefinition,
    read_definition,
)
from controller.agents.keys import DEPLOY_FILE, KEYS, PODLINE_FILE
from controller.agents.version_store import VersionStore
from controller.agents.versions import Versions
from controller.core.agents import BUILT_IN, AgentDefinition, AgentStatus, AgentVersion
from controller.core.errors import AgentInvalid, AgentNotFound
from controller.core.primitives.clock import Clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import ConfigMap
from controller.runtimes.kubernetes.client.watch import WATCH_SECONDS, Collection, Gone, Listed, Seen, Watch
from controller.runtimes.kubernetes.definition_event import definition_event
from controller.runtimes.observation_queue import ObservationQueue

log = logging.getLogger("podline.agents")

FindProblem = Callable[[AgentDefinition], Awaitable[str | None]]
"""Returns why the cluster would refuse an agent's Jobs, as a sentence; None if it would take them."""

_CHECK_AGAIN_SECONDS: Final = 10.0
"""What the cluster refuses may be allowed later, for example by another list of the admission rules."""

_TAKEN: Final = 409


@dataclass(slots=True)
class _Agent:
    """What is known of one agent.

    Attributes:
        versions: of its definition.
        owner: the ConfigMap that it is defined in; None if there is none.
        problem: why the latest definition is not the active version; None if it is.
        is_refused: the cluster refuses it, and may change its mind.
        notes: keys of the active version without effect.
        panel: the HTML of the active version's panel, if it has one.
    """

    versions: Versions = field(default_factory=Versions)
    owner: ConfigMap | None = None
    problem: str | None = None
    is_refused: bool = False
    notes: tuple[str, ...] = ()
    panel: str | None = None


class ConfigMapAgents:
    """Implements `Agents`. The agent of a fresh install is there without a ConfigMap too."""

    def __init__(
        self,
        client: NamespaceClient,
        find_problem: FindProblem,
        *,
        clock: Clock,
        rng: random.Random,
        watch_seconds: float = WATCH_SECONDS,
        check_again_seconds: float = _CHECK_AGAIN_SECONDS,
    ) -> None:
        """Send nothing yet. The client's connection is opened and closed by `watch`."""
        self._client = client
        self._find_problem = find_problem
        self._clock = clock
        self._check_again_seconds = check_again_seconds
        self._watch = Watch(
            Collection(client.api, client.config_maps, ConfigMap, names.AGENT_LABEL),
            rng,
            watch_seconds=watch_seconds,
        )
        self._store = VersionStore(client, rng)
        self._built_in = BuiltInAgents()
        self._agents: dict[str, _Agent] = {}
        self._duplicates: dict[str, ConfigMap] = {}
        self._deploying = asyncio.Lock()
        self._statuses: ObservationQueue[AgentStatus] = ObservationQueue()

    def current(self, name: str) -> AgentVersion:
        agent = self._agents.get(name)
        if agent is None or agent.owner is None:
            if name == BUILT_IN.name:
                return BUILT_IN
            raise AgentNotFound(name)
        if agent.versions.active is None:
            raise AgentInvalid(name)
        return agent.versions.active

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        if (name, version_id) == (BUILT_IN.name, BUILT_IN.id):
            return BUILT_IN
        agent = self._agents.get(name)
        return None if agent is None else agent.versions.find(version_id)

    def all(self) -> Sequence[AgentStatus]:
        found = {status.name: status for status in self._built_in.all()}
        found |= {name: self._status(name) for name, agent in self._agents.items() if agent.owner is not None}
        return [found[name] for name in sorted(found)]

    def not_ready_reason(self) -> str | None:
        reason = self._store.not_ready_reason or self._watch.health.not_ready_reason
        return None if reason is None else f"The agents are not known right now. {reason}"

    def watch(self) -> AsyncGenerator[AgentStatus, None]:
        return self._statuses.read_during(self._run())

    async def _run(self) -> None:
        async with self._client.api:
            for name, versions in (await self._store.load()).items():
                self._agents[name] = _Agent(versions=versions)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._store.run())
                tasks.create_task(self._check_again())
                await self._follow()

    async def _follow(self) -> None:
        async with aclosing(self._watch.changes()) as changes:
            async for change in changes:
                async with self._deploying:
                    match change:
                        case Seen(object=config_map):
                            await self._take(config_map)
                        case Gone(name=name):
                            await self._remove(name)
                        case Listed():
                            pass

    async def _check_again(self) -> None:
        while True:
            await asyncio.sleep(self._check_again_seconds)
            for agent in list(self._agents.values()):
                async with self._deploying:
                    if agent.is_refused and agent.owner is not None:
                        await self._take(agent.owner)

    async def _take(self, config_map: ConfigMap) -> None:
        """Make what a ConfigMap defines the active version, or keep the last and say why."""
        name = config_map.metadata.labels.agent or ""
        was_duplicate = self._duplicates.pop(config_map.metadata.name, None) is not None
        former = self._agent_of(config_map.metadata.name)
        if former is not None and former != name:
            # It has another label than before.
            await self._remove(config_map.metadata.name)
        agent = self._agents.setdefault(name, _Agent())
        if agent.owner is not None and agent.owner.metadata.name != config_map.metadata.name:
            self._duplicates[config_map.metadata.name] = config_map
            if not was_duplicate:
                await self._report_duplicate(name, agent.owner, config_map)
            return
        before = self._status(name) if agent.owner is not None else None
        agent.owner = config_map
        agent.problem, agent.is_refused = await self._deploy(agent, name, config_map)
        after = self._status(name)
        if after != before:
            self._statuses.put(after)
        if agent.problem is not None and (before is None or before.problem != agent.problem):
            await self._report(config_map, agent.problem)

    async def _deploy(self, agent: _Agent, name: str, config_map: ConfigMap) -> tuple[str | None, bool]:
        """Deploy what is valid. Return what is wrong, and whether the cluster may think otherwise later."""
        try:
            found = _read(name, config_map)
        except InvalidDefinition as error:
            return str(error), False
        deployment = config_map.metadata.annotations.redeploy or ""
        if not agent.versions.has(found.definition, deployment):
            if (problem := await self._find_problem(found.definition)) is not None:
                return problem, True
            agent.versions.deploy(found.definition, deployment)
            self._store.put(name, agent.versions)
        agent.notes = (*found.notes, *_ignored_keys(found.definition, config_map))
        agent.panel = _panel(found.definition, config_map)
        return None, False

    async def _remove(self, config_map_name: str) -> None:
        self._duplicates.pop(config_map_name, None)
        name = self._agent_of(config_map_name)
        if name is None:
            return
        agent = self._agents[name]
        # Its versions stay for the sessions that were accepted with them.
        agent.owner, agent.problem, agent.is_refused = None, None, False
        agent.panel = None
        heirs = [each for each in self._duplicates.values() if each.metadata.labels.agent == name]
        if heirs:
            del self._duplicates[heirs[0].metadata.name]
            await self._take(heirs[0])
        else:
            self._store.remove(name, agent.versions)
            self._statuses.put(AgentStatus(name=name, version=BUILT_IN if name == BUILT_IN.name else None))

    async def _report_duplicate(self, name: str, owner: ConfigMap, duplicate: ConfigMap) -> None:
        config_map = duplicate.metadata.name
        log.warning("agent defined twice", extra={"agent": name, "config_map": config_map})
        problem = (
            f"Remove this ConfigMap, or give its label {names.AGENT_LABEL} another value: the ConfigMap "
            f"{owner.metadata.name} defines the agent {name!r}."
        )
        await self._report(duplicate, problem)

    async def _report(self, config_map: ConfigMap, problem: str) -> None:
        """Write the Event by which `kubectl describe configmap` shows what is wrong."""
        event = definition_event(config_map, self._client.namespace, problem, self._clock.now())
        try:
            await self._client.create_event(event)
        except ApiError as error:
            if not (isinstance(error, ApiRefused) and error.status == _TAKEN):
                log.warning("event not written", extra={"error": str(error)})

    def _agent_of(self, config_map_name: str) -> str | None:
        owners = ((name, agent.owner) for name, agent in self._agents.items())
        return next(
            (name for name, owner in owners if owner is not None and owner.metadata.name == config_map_name),
            None,
        )

    def _status(self, name: str) -> AgentStatus:
        agent = self._agents[name]
        return AgentStatus(
            name=name,
            version=agent.versions.active,
            problem=agent.problem,
            notes=agent.notes,
            panel=agent.panel,
        )


def _read(name: str, config_map: ConfigMap) -> ReadDefinition:
    """Read the definition in a ConfigMap. Raises InvalidDefinition."""
    files = {file: config_map.data[file].encode() for file in KEYS if file in config_map.data}
    if not files:
        raise InvalidDefinition(f"{DEPLOY_FILE}: write the definition into this key of the ConfigMap.")
    found = read_definition(name, files)
    if found.definition.name != name:
        raise InvalidDefinition(
            f"{DEPLOY_FILE}: agent_name: write the value of the ConfigMap's label {names.AGENT_LABEL}, "
            f"which is {name!r}."
        )
    panel = _panel(found.definition, config_map)
    if found.definition.panel is not None and (panel is None or len(panel.encode()) > MOST_PANEL_BYTES):
        raise InvalidDefinition(
            f"{PODLINE_FILE}: panel: write the panel into the key {found.definition.panel}.html of the "
            f"ConfigMap, in at most {MOST_PANEL_BYTES} bytes."
        )
    return found


def _panel(definition: AgentDefinition, config_map: ConfigMap) -> str | None:
    """Return the HTML of a definition's panel, if it has one."""
    return None if definition.panel is None else config_map.data.get(f"{definition.panel}.html")


def _ignored_keys(definition: AgentDefinition, config_map: ConfigMap) -> list[str]:
    read = {*KEYS, f"{definition.panel}.html"} if definition.panel is not None else set(KEYS)
    shown = sorted(key[:64] for key in config_map.data.keys() - read)[:3]
    return [
        f"{key} has no effect. In a ConfigMap only {DEPLOY_FILE}, {PODLINE_FILE} and the panel are read."
        for key in shown
    ]
