"""Changes of a cluster's agents through the API. What an operator's ConfigMap defines is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from controller.agents.config_maps import ConfigMapAgents
from controller.agents.definitions import InvalidDefinition
from controller.agents.keys import DEPLOY_FILE, KEYS, PODLINE_FILE
from controller.agents.source import Source
from controller.core.agents import AgentVersion
from controller.core.errors import (
    AgentDefinedByFile,
    AgentNotFound,
    InvalidRequest,
    RuntimeUnavailable,
    VersionNotFound,
)
from controller.runtimes.kubernetes.client.errors import ApiError


class ClusterDeployments:
    """Implements `AgentEditor`."""

    def __init__(self, agents: ConfigMapAgents, now: Callable[[], datetime]) -> None:
        self._agents = agents
        self._now = now

    async def deploy(self, name: str, files: Mapping[str, str], *, again: bool) -> None:
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
        with _stored():
            await self._agents.deploy(source)

    async def roll_back(self, name: str, version_id: str | None) -> None:
        self._existing(name)
        version = self._former(name, version_id)
        source = Source(
            agent=name, files=version.files, redeploy=self._now().isoformat(), rollback=version.id
        )
        with _stored():
            await self._agents.deploy(source)

    async def remove(self, name: str) -> None:
        self._existing(name)
        with _stored():
            await self._agents.remove(name)

    def _existing(self, name: str) -> Source:
        source = self._of_api(name)
        if source is None:
            raise AgentNotFound(name)
        return source

    def _of_api(self, name: str) -> Source | None:
        """Return the last deployment of an agent; None if there is none."""
        source = self._agents.source(name)
        if source is not None and source.defined_by is not None:
            raise AgentDefinedByFile(name, source.defined_by)
        return source

    def _former(self, name: str, version_id: str | None) -> AgentVersion:
        kept = self._agents.versions(name)
        candidates = kept[:-1] if version_id is None else [each for each in kept if each.id == version_id]
        if not candidates or not candidates[-1].files:
            raise VersionNotFound(name, version_id)
        return candidates[-1]


@contextmanager
def _stored() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise RuntimeUnavailable(f"The agent could not be stored. {error}") from error
