"""What kubelets count of the operations of their container runtime: how often, and for how long in all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from scripts.benchmarks.cluster.raw import Raw
from testing.node.node_cluster import NodeCluster

OPERATIONS: Final[Mapping[str, str]] = {
    "image_status": "look for the image",
    "run_podsandbox": "make the sandbox",
    "create_container": "create the container",
    "start_container": "start the container",
}
"""Those on a pod's way to its process, by the kubelet's name."""

_SAMPLE: Final = re.compile(
    r"^kubelet_runtime_operations_duration_seconds_(?P<part>sum|count)"
    r'\{operation_type="(?P<operation>\w+)"\} (?P<value>\S+)$',
    re.MULTILINE,
)

Counts = dict[str, tuple[float, float]]
"""Seconds in all and how often, by operation."""


async def counts(cluster: NodeCluster, raw: Raw) -> Counts:
    """Return the counts of all nodes together."""
    texts = [
        (await raw.send("GET", f"/api/v1/nodes/{worker.name}/proxy/metrics")).decode()
        for worker in cluster.workers
    ]
    return counts_in("\n".join(texts))


def counts_in(metrics: str) -> Counts:
    """Return the counts in the metrics of kubelets. Pure."""
    found = {operation: {"sum": 0.0, "count": 0.0} for operation in OPERATIONS}
    for each in _SAMPLE.finditer(metrics):
        if each["operation"] in found:
            found[each["operation"]][each["part"]] += float(each["value"])
    return {operation: (parts["sum"], parts["count"]) for operation, parts in found.items()}


def seconds_each(before: Counts, after: Counts) -> dict[str, float]:
    """Return how long each operation took on average between two counts; those that happened only. Pure."""
    return {
        operation: (after[operation][0] - seconds) / (after[operation][1] - count)
        for operation, (seconds, count) in before.items()
        if after[operation][1] > count
    }
