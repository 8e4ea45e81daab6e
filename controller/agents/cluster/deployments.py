"""Changes of a cluster's agents through the API. What an operator's ConfigMap defines is left alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from controller.agents.built_in import DEFINED_BY
from controller.agents.cluster.config_maps import ConfigMapAgents
from controller.agents.cluster.source import Source
from controller.agents.definitions import InvalidDefinition
from controller.agents.keys import KEYS
from controller.core.agents import BUILT_IN, AgentDefinition, AgentVersion
from controller.core.errors import (
    AgentDefinedByFile,
    AgentNotFound,
    Forbidden,
    InvalidRequest,
    RuntimeUnavailable,
    VersionNotFound,
)
from controller.core.secret_sets import SecretSets
from controller.runtimes.kubernetes.client.errors import ApiError
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE


class ClusterDeployments:
    """Implements `AgentEditor`."""

    def __init__(self, agents: ConfigMapAgents, secret_sets: SecretSets, now: Callable[[], datetime]) -> None:
        self._agents = agents
        self._secret_sets = secret_sets
        self._now = now

    async def deploy(
        self, name: str, files: Mapping[str, str], *, again: bool, may_choose_secrets: bool = True
    ) -> None:
        async with self._changing():
            source = self._source(name, files, again=again)
            self._insist_on_secret_sets(source.read().definition)
            if not may_choose_secrets:
                self._insist_on_known_secrets(source.read().definition)
            await self._agents.deploy(source)

    def _source(self, name: str, files: Mapping[str, str], *, again: bool) -> Source:
        former = self._of_api(name)
        kept = {DEPLOY_FILE: "", **{file: text for file, text in files.items() if file in KEYS}}
        redeploy = former.redeploy if former is not None else ""
        source = Source(agent=name, files=kept, redeploy=self._now().isoformat() if again else redeploy)
        try:
            found = source.read()
        except InvalidDefinition as error:
            raise InvalidRequest(str(error)) from error
        if found.definition.panel is not None:
            raise InvalidRequest(f"{PODLINE_FILE}: panel: remove it; only an operator's agents have one.")
        return source

    async def roll_back(self, name: str, version_id: str | None) -> None:
        async with self._changing():
            self._insist_on_existing(name)
            version = self._former(name, version_id)
            self._insist_on_secret_sets(version.definition)
            redeploy = self._now().isoformat()
            source = Source(agent=name, files=version.files, redeploy=redeploy, rollback=version.id)
            await self._agents.deploy(source)

    async def remove(self, name: str) -> None:
        async with self._changing():
            self._insist_on_existing(name)
            await self._agents.remove(name)

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[None, None]:
        async with self._agents.changing():
            try:
                yield
            except ApiError as error:
                raise RuntimeUnavailable(f"The agent could not be stored. {error}") from error

    def _insist_on_existing(self, name: str) -> None:
        """Check that there is an agent of this name that was deployed through the API."""
        if self._of_api(name) is None:
            if name == BUILT_IN.name:
                raise AgentDefinedByFile(name, DEFINED_BY)
            raise AgentNotFound(name)

    def _of_api(self, name: str) -> Source | None:
        """Return the last deployment of an agent; None if there is none."""
        source = self._agents.source(name)
        if source is not None and source.defined_by is not None:
            raise AgentDefinedByFile(name, source.defined_by)
        return source

    def _insist_on_secret_sets(self, definition: AgentDefinition) -> None:
        """Check that the sets exist. An operator's own Secrets are for agents that an operator defines."""
        named = (
            ("secret_set", definition.secret_set, False),
            ("image_credentials", definition.image_credentials, True),
        )
        for key, name, is_registry in named:
            known = self._secret_sets.find(name) if name is not None else None
            if name is None or (known is not None and (known.registry is not None) is is_registry):
                continue
            if known is not None:
                raise InvalidRequest(
                    f"{DEPLOY_FILE}: {key}: the set {name!r} holds {known.held}; name another."
                )
            how = (
                f"`pipecat cloud secrets image-pull-secret {name} REGISTRY`"
                if is_registry
                else f"`podline secrets set {name} --file .env`"
            )
            raise InvalidRequest(
                f"{DEPLOY_FILE}: {key}: there is no secret set {name!r}; write it with {how}."
            )

    def _insist_on_known_secrets(self, definition: AgentDefinition) -> None:
        """Check that a key of some agents names no set that is not this agent's already."""
        kept = self._agents.versions(definition.name)
        active = kept[-1].definition if kept else None
        known = {active.secret_set, active.image_credentials} if active is not None else set()
        if not {definition.secret_set, definition.image_credentials} <= known | {None}:
            raise Forbidden(
                "A key that is limited to some agents may name only the secret sets that the agent's active "
                "version names. Deploy it once with a key for all agents."
            )

    def _former(self, name: str, version_id: str | None) -> AgentVersion:
        kept = self._agents.versions(name)
        candidates = kept[:-1] if version_id is None else [each for each in kept if each.id == version_id]
        if not candidates:
            raise VersionNotFound(name, version_id)
        if not candidates[-1].is_of_api:
            raise VersionNotFound.without_files(name, candidates[-1].id)
        return candidates[-1]
