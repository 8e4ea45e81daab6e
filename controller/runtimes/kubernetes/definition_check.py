"""The check of an agent's definition against the Job template and the cluster, before it is deployed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from controller.core.agents import AgentDefinition, AgentVersion
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.job.agent_template import agent_mistake
from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job
from controller.runtimes.kubernetes.job.template import JobTemplate

_SECRET: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionCheck:
    """Has the API server judge one Job of an agent without creating it."""

    client: NamespaceClient
    template: JobTemplate
    grace_seconds: float
    keep_ended_seconds: float

    async def problem(self, definition: AgentDefinition) -> str | None:
        """Return why Jobs of this definition would be refused; None if they would be created."""
        version = AgentVersion(definition=definition, serial=0)
        mistake = self._misnamed_secret(definition) or agent_mistake(
            self.template, version, self.client.namespace
        )
        if mistake is not None:
            return mistake
        example = replace(
            EXAMPLE,
            session=replace(EXAMPLE.session, agent=definition.name),
            agent=version,
        )
        manifest = session_job(
            self.template,
            example,
            grace_seconds=self.grace_seconds,
            keep_ended_seconds=self.keep_ended_seconds,
        )
        try:
            await self.client.create_job(manifest, dry_run=True)
        except ApiRefused as error:
            # A used-up quota, or an error that may pass, says nothing about the definition.
            return None if error.is_quota or error.may_pass else f"The cluster refuses its Jobs. {error}"
        except ApiError:
            return None
        return None

    def _misnamed_secret(self, definition: AgentDefinition) -> str | None:
        """Return which Secret can't have its name in a cluster, although Pipecat Cloud's client allows it."""
        named = {"secret_set": definition.secret_set, "image_credentials": definition.image_credentials}
        for key, name in named.items():
            if name is not None and not all(map(_SECRET.fullmatch, self.template.secrets_of(name))):
                return (
                    f"pcc-deploy.toml: {key}: there is no secret set of this name, so write the name of a "
                    "Secret of this namespace: lower-case letters, digits and hyphens."
                )
        return None
