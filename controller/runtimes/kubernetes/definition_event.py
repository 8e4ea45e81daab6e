"""The Event by which a cluster shows why an agent's definition can't be used. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from controller.runtimes.kubernetes.client.objects import ConfigMap

_MOST_CHARACTERS: Final = 1000
"""The API server refuses a message of more than 1,024 bytes."""


def definition_event(config_map: ConfigMap, namespace: str, problem: str, at: datetime) -> dict[str, Any]:
    """Return the Event about one ConfigMap."""
    meta = config_map.metadata
    # The same problem of the same state has one name, so that a repeated write is a harmless 409.
    digest = hashlib.sha256(f"{meta.uid} {meta.resource_version} {problem}".encode()).hexdigest()[:16]
    moment = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name[:200]}.{digest}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": meta.name,
            "namespace": namespace,
            "uid": meta.uid,
        },
        "type": "Warning",
        "reason": "InvalidDefinition",
        "message": problem.encode()[:_MOST_CHARACTERS].decode(errors="ignore"),
        "source": {"component": "podline"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
