"""The Kubernetes runtime, built from the settings. Unusable settings are reported at startup."""

from __future__ import annotations

import asyncio
import random

from prometheus_client import CollectorRegistry

from controller.core.primitives.clock import Clock
from controller.core.tracing import Tracing
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid
from controller.runtimes.kubernetes.job.template import read_template
from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from controller.settings import Settings


def build_runtime(
    settings: Settings, clock: Clock, registry: CollectorRegistry, tracing: Tracing
) -> KubernetesRuntime:
    """Return the runtime, not yet connected. Its metrics are registered in `registry`.

    Raises:
        ConfigurationInvalid: the kubeconfig or the Job template can't be used.
    """
    if settings.kubernetes.job_template is None:
        raise ConfigurationInvalid("PODLINE_JOB_TEMPLATE is not set.")
    access = Access()
    asyncio.run(access.configuration())
    namespace = settings.kubernetes.namespace or access.namespace()
    runtime = KubernetesRuntime(
        api=Api(access, ApiMetrics(registry).answered),
        namespace=namespace,
        template=read_template(settings.kubernetes.job_template, namespace),
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        rng=random.Random(),  # noqa: S311 - spreads pauses, guards nothing
        tracing=tracing,
    )
    registry.register(ClusterCollector(runtime))
    return runtime
