"""The admission component allows what each overlay's bots use; its lists and policies are documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPONENT = DEPLOY / "components" / "admission"
PRODUCTION = DEPLOY / "overlays" / "production"
PAGE = ROOT / "docs" / "admission.md"

Lists = dict[str, set[str]]


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def kustomization(folder: Path) -> dict[str, Any]:
    [found] = documents(folder / "kustomization.yaml")
    return found


def lists_of(data: dict[str, str]) -> Lists:
    return {name: set(lines.split()) for name, lines in data.items()}


def shipped_lists() -> Lists:
    [parameters] = documents(COMPONENT / "parameters.yaml")
    return lists_of(parameters["data"])


def production_lists() -> Lists:
    patches = [
        yaml.safe_load(each["patch"]) for each in kustomization(PRODUCTION)["patches"] if "patch" in each
    ]
    [patch] = [each for each in patches if each["metadata"]["name"] == "podline-admission"]
    return {**shipped_lists(), **lists_of(patch["data"])}


def used_by(template: Path) -> Lists:
    """All that a Job template has of what the lists are for."""
    [job] = documents(template)
    metadata, pod = job["spec"]["template"]["metadata"], job["spec"]["template"]["spec"]
    [bot] = pod["containers"]
    volumes = pod["volumes"]
    return {
        "images": {each["image"].rpartition(":")[0] for each in [bot, *pod["initContainers"]]},
        "secrets": {each["secretRef"]["name"] for each in bot["envFrom"]},
        "configMaps": {each["configMap"]["name"] for each in volumes if "configMap" in each},
        "imagePullSecrets": {each["name"] for each in pod.get("imagePullSecrets", [])},
        "serviceAccounts": {pod["serviceAccountName"]} if "serviceAccountName" in pod else set(),
        "priorityClasses": {pod["priorityClassName"]} if "priorityClassName" in pod else set(),
        "runtimeClasses": {pod["runtimeClassName"]} if "runtimeClassName" in pod else set(),
        "labels": metadata["labels"].keys() - {"app.kubernetes.io/name"},
        "resources": {name for kind in bot["resources"].values() for name in kind} - {"cpu", "memory"},
        "annotations": set(metadata["annotations"]),
    }


def policies() -> Iterator[dict[str, Any]]:
    for name in kustomization(COMPONENT)["resources"]:
        for each in documents(COMPONENT / name):
            if each["kind"].startswith("ValidatingAdmissionPolicy"):
                yield each


def test_the_lists_allow_what_the_base_s_bots_use_and_no_more() -> None:
    assert shipped_lists() == used_by(DEPLOY / "base" / "bot-job.yaml")


def test_production_s_lists_allow_what_its_bots_use_and_no_more() -> None:
    assert production_lists() == used_by(PRODUCTION / "bot-job.yaml")


@pytest.mark.parametrize("overlay", ["production", "selfhosted"])
def test_the_overlay_includes_the_component(overlay: str) -> None:
    """That of kind is built on selfhosted's."""
    assert "../../components/admission" in kustomization(DEPLOY / "overlays" / overlay)["components"]


def test_each_policy_is_bound_where_the_namespace_is_marked_and_fails_closed() -> None:
    [patch] = kustomization(COMPONENT)["patches"]
    [mark] = yaml.safe_load(patch["patch"])
    label = {mark["path"].rpartition("/")[2].replace("~1", "/"): mark["value"]}
    named = {each["metadata"]["name"]: each["spec"] for each in policies() if each["kind"].endswith("Policy")}
    bound = {
        each["spec"]["policyName"]: each["spec"] for each in policies() if each["kind"].endswith("Binding")
    }

    assert named.keys() == bound.keys()
    assert patch["target"] == {"kind": "Namespace"}
    assert {each["failurePolicy"] for each in named.values()} == {"Fail"}
    for name, binding in bound.items():
        assert binding["validationActions"] == ["Deny"]
        assert binding["matchResources"] == {"namespaceSelector": {"matchLabels": label}}
        assert ("paramRef" in binding) is ("paramKind" in named[name])
        assert binding.get("paramRef", {}).get("parameterNotFoundAction", "Deny") == "Deny"


def test_each_denial_says_what_to_do() -> None:
    """In one sentence at least; it is the whole of what an operator reads."""
    for policy in policies():
        for rule in policy["spec"].get("validations", []):
            said = rule.get("message") or rule["messageExpression"]
            assert said.rstrip("'").endswith(".")


def test_the_page_names_each_list_and_policy() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Admission")[2].partition("\n## ")[0]

    assert [name for name in shipped_lists() if f"`{name}`" not in text] == []
    assert [
        each["metadata"]["name"] for each in policies() if f"`{each['metadata']['name']}`" not in text
    ] == []
