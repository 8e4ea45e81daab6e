"""What stands in deploy/ agrees with itself, with pyproject.toml and with what the controller takes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.runtimes.kubernetes.job.template import read_template

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
BASE_JOB = DEPLOY / "base" / "bot-job.yaml"
PRODUCTION = DEPLOY / "overlays" / "production"
PRODUCTION_JOB = PRODUCTION / "bot-job.yaml"
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

IMAGE = (
    rf"(registry\.example\.com/)?podline-\w+:{re.escape(VERSION)}"
    r"|livekit/livekit-server:v[\d.]+(@sha256:[0-9a-f]{64})?"
)

POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
OF_PRODUCTION = {
    f"{CONTAINER}.image",
    f"{POD}.initContainers.0.image",
    f"{POD}.imagePullSecrets",
    f"{POD}.nodeSelector",
    f"{POD}.priorityClassName",
    f"{POD}.tolerations",
    f"{POD}.topologySpreadConstraints",
}
"""All that the production overlay's Job may have otherwise than the base's."""


def documents(path: Path) -> list[dict[str, Any]]:
    """Those that describe something: a patch may be a list of changes."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(each, dict)]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each pod that one of our manifests describes whole."""
    for path in MANIFESTS:
        for document in documents(path):
            spec = document.get("spec", {}).get("template", {}).get("spec", {})
            if all("image" in container for container in spec.get("containers", [])) and spec:
                yield f"{path.parent.name}/{path.name}", spec


def differences(one: Any, other: Any, path: str = "") -> set[str]:
    """Where two values are not the same, as far down as one can say it."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        found = (differences(one.get(key), other.get(key), f"{path}.{key}".strip(".")) for key in keys)
        return set().union(*found)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (
            differences(*pair, f"{path}.{index}") for index, pair in enumerate(zip(one, other, strict=True))
        )
        return set().union(*found)
    return set() if one == other else {path}


@pytest.mark.parametrize(("where", "spec"), list(pods()))
def test_every_pod_has_a_versioned_image_limits_and_a_reason_for_its_token(
    where: str, spec: dict[str, Any]
) -> None:
    assert spec["enableServiceLinks"] is False
    # Only the controller speaks to the API server.
    assert spec.get("automountServiceAccountToken", True) is (spec.get("serviceAccountName") is not None)
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert re.fullmatch(IMAGE, container["image"])
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, where
        assert "memory" in container["resources"]["limits"]


def test_the_pods_are_found() -> None:
    assert sorted({where for where, _ in pods()}) == [
        *("base/bot-job.yaml", "base/deployment.yaml"),
        *("kind/caller-job.yaml", "kind/sandbox.yaml", "kind/web.yaml"),
        *("production/bot-job.yaml", "pulled-images/daemon-set.yaml"),
        "selfhosted/livekit.yaml",
    ]


def test_production_s_job_differs_from_the_base_s_in_what_is_named_only() -> None:
    [base], [production] = documents(BASE_JOB), documents(PRODUCTION_JOB)

    assert differences(base, production) == OF_PRODUCTION


@pytest.mark.parametrize("path", [BASE_JOB, PRODUCTION_JOB])
def test_the_controller_takes_the_template(path: Path) -> None:
    assert read_template(path, "podline").manifest == documents(path)[0]


def test_the_registry_is_named_in_two_files_alone() -> None:
    """As the documentation's one command replaces it."""
    naming = {path.name for path in MANIFESTS if "registry.example.com" in path.read_text(encoding="utf-8")}

    assert naming == {"kustomization.yaml", "bot-job.yaml"}


def test_production_s_quota_has_room_for_its_capacity_and_for_its_controllers_during_an_upgrade() -> None:
    [quota] = documents(PRODUCTION / "resource-quota.yaml")
    [patch] = documents(PRODUCTION / "controller.yaml")
    [deployment] = documents(DEPLOY / "base" / "deployment.yaml")
    [job] = documents(PRODUCTION_JOB)
    [container] = patch["spec"]["template"]["spec"]["containers"]
    capacity = next(int(each["value"]) for each in container["env"] if each["name"] == "PODLINE_CAPACITY")
    hard = quota["spec"]["hard"]
    controllers: int = patch["spec"]["replicas"]
    controllers += deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]

    def needed(kind: str, resource: str) -> float:
        bot, controller = (
            each["spec"]["template"]["spec"]["containers"][0]["resources"][kind].get(resource, "0")
            for each in (job, deployment)
        )
        return capacity * amount(bot) + controllers * amount(controller)

    assert capacity + controllers <= int(hard["pods"])
    assert needed("requests", "cpu") <= amount(hard["requests.cpu"])
    assert needed("requests", "memory") <= amount(hard["requests.memory"])
    assert needed("limits", "memory") <= amount(hard["limits.memory"])


def amount(quantity: str) -> float:
    for unit, factor in {"m": 0.001, "Mi": 2**20, "Gi": 2**30}.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity)
