"""The agents of a cluster, put together: their definitions, deployments and secret sets."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, replace
from typing import Final

from controller.agents.cluster.checks import ClusterChecks
from controller.agents.cluster.config_maps import ConfigMapAgents
from controller.agents.cluster.deployments import ClusterDeployments
from controller.agents.cluster.given import GivenByTemplate
from controller.agents.cluster.secret_sets import ClusterSecretSets
from controller.core.primitives.clock import Clock
from controller.core.warm import GivenTo
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.watch import WATCH_SECONDS
from controller.runtimes.kubernetes.definition_check import DefinitionCheck
from controller.runtimes.kubernetes.dry_start import DryStart
from controller.runtimes.kubernetes.job.template import JobTemplate
from controller.settings.limits import LimitSettings

_ID_BYTES: Final = 6
"""Of a dry start's Job. Nobody can guess its name and take it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAgents:
    """What belongs to the agents of one namespace.

    Attributes:
        template: the operator's, with agents' secret sets resolved.
        given_to: what stands for all that an agent's bots are given besides its definition.
    """

    agents: ConfigMapAgents
    deployments: ClusterDeployments
    secret_sets: ClusterSecretSets
    template: JobTemplate
    given_to: GivenTo


def cluster_agents(
    client: NamespaceClient,
    template: JobTemplate,
    limits: LimitSettings,
    clock: Clock,
    rng: random.Random,
    watch_seconds: float = WATCH_SECONDS,
) -> ClusterAgents:
    """Return the agents of a namespace. Nothing is sent yet.

    Args:
        client: a connection of their own, which watching them opens and closes.
        template: the operator's Job template.
        limits: the operator's.
        clock: for dates of deployments.
        rng: spreads pauses, guards nothing.
        watch_seconds: how long one watch lasts.
    """
    secret_sets = ClusterSecretSets(client, clock.now, rng)
    template = replace(template, secrets_of=secret_sets.secrets_of, is_set=secret_sets.has)
    check = DefinitionCheck(
        client=client,
        template=template,
        grace_seconds=limits.grace_seconds,
        keep_ended_seconds=limits.keep_ended_seconds,
    )
    dry_start = DryStart(
        client=client,
        template=template,
        clock=clock,
        start_timeout_seconds=limits.start_timeout_seconds,
        grace_seconds=limits.grace_seconds,
        new_id=lambda: secrets.token_hex(_ID_BYTES),
    )
    checks = ClusterChecks(
        prepare=secret_sets.load,
        claim=secret_sets.claim,
        not_ready_reason=secret_sets.not_ready_reason,
        find_problem=check.problem,
        start_dry=dry_start.run,
    )
    agents = ConfigMapAgents(client, checks, clock=clock, rng=rng, watch_seconds=watch_seconds)
    return ClusterAgents(
        agents=agents,
        deployments=ClusterDeployments(agents, secret_sets, clock.now),
        secret_sets=secret_sets,
        template=template,
        given_to=GivenByTemplate(template, secret_sets.find).text,
    )
