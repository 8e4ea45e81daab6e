"""The Kubernetes runtime, built from the settings. Unusable settings are reported at startup."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from controller.core.leadership import Leadership, SoleController
from controller.core.primitives.clock import Clock
from controller.core.tracing import Tracing
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api, always
from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid
from controller.runtimes.kubernetes.job.template import JobTemplate, read_template
from controller.runtimes.kubernetes.leader.election import LeaseElection
from controller.runtimes.kubernetes.leader.lease import Leases
from controller.runtimes.kubernetes.leader.tenure import Tenure
from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from controller.settings import Settings

_IDENTITY_BYTES: Final = 4
"""Of a holder's name, behind its pod's: a container that is started again is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotCluster:
    """Where bots run, and from what template.

    Attributes:
        tenure: nothing is written to the cluster outside it; None if this is the only controller.
    """

    access: Access
    namespace: str
    template: JobTemplate
    metrics: ApiMetrics
    tenure: Tenure | None

    def api(self) -> Api:
        """Return a connection of its own, not yet open."""
        may_write = always if self.tenure is None else self.tenure.may_write
        return Api(self.access, self.metrics.answered, may_write)


def find_cluster(settings: Settings, clock: Clock, registry: CollectorRegistry) -> BotCluster:
    """Return the cluster that the settings and this machine name.

    Raises:
        ConfigurationInvalid: the kubeconfig or the Job template can't be used.
    """
    if settings.kubernetes.job_template is None:
        raise ConfigurationInvalid("PODLINE_JOB_TEMPLATE is not set.")
    access = Access()
    asyncio.run(access.configuration())
    namespace = settings.kubernetes.namespace or access.namespace()
    return BotCluster(
        access=access,
        namespace=namespace,
        template=read_template(settings.kubernetes.job_template, namespace),
        metrics=ApiMetrics(registry),
        tenure=None if settings.replicas.address is None else Tenure(clock.monotonic),
    )


def choose_leadership(
    cluster: BotCluster, runtime: KubernetesRuntime, settings: Settings, clock: Clock, rng: random.Random
) -> Leadership:
    """Take part in an election if other replicas can reach this controller; otherwise it is the only one."""
    address = settings.replicas.reached_at
    if address is None or cluster.tenure is None:
        return SoleController()
    leases = Leases(
        # A standby writes to the Lease, and to nothing else.
        api=Api(cluster.access, cluster.metrics.answered),
        namespace=cluster.namespace,
        identity=f"{socket.gethostname()}_{secrets.token_hex(_IDENTITY_BYTES)}",
        address=address,
    )
    return LeaseElection(
        leases,
        cluster.tenure,
        follow=runtime.follow,
        why_unfit=runtime.why_not_following,
        clock=clock,
        rng=rng,
    )


def build_runtime(
    cluster: BotCluster, settings: Settings, clock: Clock, registry: CollectorRegistry, tracing: Tracing
) -> KubernetesRuntime:
    """Return the runtime, not yet connected. Its metrics are registered in `registry`."""
    runtime = KubernetesRuntime(
        api=cluster.api(),
        namespace=cluster.namespace,
        template=cluster.template,
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        rng=random.Random(),  # noqa: S311 - spreads pauses, guards nothing
        tracing=tracing,
    )
    registry.register(ClusterCollector(runtime))
    return runtime
