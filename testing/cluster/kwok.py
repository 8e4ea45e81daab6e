"""Fake nodes, and pods on them that run and end as their annotations say.

The stages under `stages/` play the kubelet's part. What they take their cues from, on the pod:

* `fate.test/end` how it goes on, in the pod template or set at any time; see `Fate`. Without it, it runs.
* `fate.test/after` how long after that its end comes, such as `500ms`: at once by default.
* `fate.test/final-report` the termination message of its container, however that ends.
* `fate.test/stop-code` and `fate.test/stop-takes` the code it exits with when stopped, 0 by default, and
  how long that takes it, `100ms` by default.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml

STAGES = Path(__file__).parent / "stages"
MANAGER = "kwok.x-k8s.io/node"
"""The annotation of a node that says which kwok plays its kubelet."""
FAKE = "fake"

END = "fate.test/end"
AFTER = "fate.test/after"
FINAL_REPORT = "fate.test/final-report"
STOP_CODE = "fate.test/stop-code"
STOP_TAKES = "fate.test/stop-takes"


class Fate:
    """The values of `fate.test/end`."""

    OUT_OF_MEMORY = "out-of-memory"
    START_ERROR = "start-error"
    """The runtime can't start its command."""
    EVICTED = "evicted"
    """By the kubelet, for using more disk than it may: leaves no condition."""
    NODE_PRESSURE = "node-pressure"
    """By the kubelet, for the node's sake: leaves the condition DisruptionTarget."""
    IMAGE_PULL = "image-pull"
    IMAGE_NAME_INVALID = "image-name-invalid"
    SECRET_MISSING = "secret-missing"
    NEVER_READY = "never-ready"
    """Stays in ContainerCreating."""
    UNREACHABLE = "unreachable"
    """Its node is gone: it runs, and does not go when it is deleted."""
    DEAF = "deaf"
    """Runs, and is killed when its grace period is over."""

    @staticmethod
    def exits(code: int) -> str:
        return f"exit-{code}"


def fake_node(number: int, mark: str = FAKE) -> dict[str, Any]:
    name = f"{mark}-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {MANAGER: mark},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
    }


def write_configuration(path: Path, bot_log: Path) -> None:
    """All fake pods say the same; see `log_line`."""
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "options": {
                "podPlayStageParallelism": 16,
                "nodePlayStageParallelism": 4,
                "nodeLeaseParallelism": 4,
                "nodeLeaseDurationSeconds": 40,
                "podsOnNodeSyncParallelism": 4,
                "enableDebuggingHandlers": True,
                # Large enough for pods of a test at scale.
                "cidr": "10.128.0.0/12",
            },
        },
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "bots"},
            "spec": {"logs": [{"containers": ["bot"], "logsFile": str(bot_log), "follow": True}]},
        },
    ]
    path.write_text(yaml.safe_dump_all(documents))
    bot_log.touch()


def log_line(text: str) -> str:
    """As a container runtime writes it."""
    now = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    return f"{now} stdout F {text}\n"


def command(
    program: Path,
    kubeconfig: Path,
    configuration: Path,
    port: int,
    serving: tuple[Path, Path] | None,
    mark: str = FAKE,
) -> list[str | Path]:
    """Play the nodes with this mark; with a certificate, serve their pods' logs as a kubelet would."""
    configurations = [configuration, *sorted(STAGES.glob("*.yaml"))]
    served: list[str | Path] = []
    if serving is not None:
        certificate, key = serving
        served = [
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
        ]
    return [
        program,
        f"--kubeconfig={kubeconfig}",
        *(f"--config={path}" for path in configurations),
        f"--manage-nodes-with-annotation-selector={MANAGER}={mark}",
        "--v=WARN",
        f"--server-address=127.0.0.1:{port}",
        *served,
    ]
