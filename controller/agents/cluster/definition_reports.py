"""Events by which `kubectl describe configmap` shows what is wrong with an operator's definitions."""

from __future__ import annotations

import logging

from controller.agents.cluster.source import Source
from controller.core.primitives.clock import Clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import ConfigMap
from controller.runtimes.kubernetes.definition_event import definition_event

log = logging.getLogger("podline.agents")


class DefinitionReports:
    """Writes these Events. What can't be written is logged."""

    def __init__(self, client: NamespaceClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def problem(self, source: Source, problem: str) -> None:
        """Report what is wrong with a definition, unless it is one of a deployment through the API."""
        if source.config_map is None:
            return
        event = definition_event(source.config_map, self._client.namespace, problem, self._clock.now())
        try:
            await self._client.create_event(event)
        except ApiError as error:
            if not (isinstance(error, ApiRefused) and error.is_taken):
                log.warning("event not written", extra={"error": str(error)})

    async def duplicate(self, source: Source, duplicate: ConfigMap) -> None:
        """Report a ConfigMap for an agent that another source defines."""
        config_map = duplicate.metadata.name
        log.warning("agent defined twice", extra={"agent": source.agent, "config_map": config_map})
        whose = source.defined_by or "a deployment through the API"
        problem = (
            f"Remove this ConfigMap, or give its label {names.AGENT_LABEL} another value: {whose} defines "
            f"the agent {source.agent!r}."
        )
        await self.problem(Source.of(duplicate), problem)
