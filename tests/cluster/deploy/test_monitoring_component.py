"""A cluster that has the definitions of Prometheus' operator takes what an overlay adds for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.builds.operator_definitions import operator_definitions
from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import BASE

DEPLOY = BASE.parent


@pytest.fixture
async def operated(plane: ControlPlane) -> AsyncIterator[None]:
    """The cluster knows the operator's kinds, and holds what is sent to their fields."""
    files = [f"--filename={path}" for path in operator_definitions()]
    # Its schemas are longer than the annotation that a client's own apply keeps.
    await plane.kubectl("apply", "--server-side", *files)
    await plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
    yield
    await plane.kubectl("delete", *files)


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Production's with the component, as an operator would have it in a folder of their own."""
    folder = tmp_path.resolve()
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(DEPLOY / "overlays" / "production", folder)],
        "components": [os.path.relpath(DEPLOY / "monitoring", folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


@pytest.fixture
async def rendered(plane: ControlPlane, overlay: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(await plane.kubectl("kustomize", str(overlay))))


@pytest.mark.usefixtures("operated")
async def test_the_component_s_resources_are_what_the_operator_s_definitions_ask_for(
    plane: ControlPlane, namespace: str, rendered: list[dict[str, Any]]
) -> None:
    monitoring = [
        each
        for each in rendered
        if each["kind"] in ("PrometheusRule", "ServiceMonitor")
        or "grafana_dashboard" in each["metadata"].get("labels", {})
    ]
    for each in monitoring:
        each["metadata"]["namespace"] = namespace

    said = await plane.kubectl(
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--warnings-as-errors",
        "-f",
        "-",
        stdin=yaml.safe_dump_all(monitoring),
    )

    assert sorted(line.split("/")[0] for line in said.splitlines()) == [
        *["configmap"] * 4,
        "prometheusrule.monitoring.coreos.com",
        "servicemonitor.monitoring.coreos.com",
    ]


async def test_prometheus_is_let_in_where_the_controller_serves_its_metrics(
    rendered: list[dict[str, Any]],
) -> None:
    def of(kind: str, name: str) -> dict[str, Any]:
        [found] = [each for each in rendered if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        spec: dict[str, Any] = found["spec"]
        return spec

    [container] = of("Deployment", "podline")["template"]["spec"]["containers"]
    [scraped] = of("ServiceMonitor", "podline")["endpoints"]
    [port] = [each for each in of("Service", "podline")["ports"] if each["name"] == scraped["port"]]
    [named] = [each for each in container["ports"] if each["name"] == port["targetPort"]]
    [served] = [each for each in container["env"] if each["name"] == "PODLINE_METRICS_PORT"]
    [allowed] = of("NetworkPolicy", "podline-controller-metrics")["ingress"]

    assert served["value"] == str(named["containerPort"])
    assert allowed["ports"] == [{"port": named["name"], "protocol": "TCP"}]
