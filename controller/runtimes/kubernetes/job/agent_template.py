"""The operator's Job template, as one agent's definition changes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from controller.core.agents import DEFAULT_AGENT, AgentDefinition, AgentVersion
from controller.runtimes.kubernetes.job.runner_copy import (
    RUNNER,
    mounts_the_copy,
    runs_the_copy,
    without_copy,
)
from controller.runtimes.kubernetes.job.template import JobTemplate, mistakes

_PYTHON: Final = "python"
_ARCHITECTURE: Final = "kubernetes.io/arch"


def agent_template(template: JobTemplate, agent: AgentVersion) -> dict[str, Any]:
    """Return the template for the Jobs of one agent. What its own patch says holds against all else."""
    definition = agent.definition
    spec = template.manifest["spec"]
    pod = spec["template"]["spec"]
    secrets = template.secrets_for(agent, definition.secret_set)
    containers = [_container(each, definition, secrets) for each in pod["containers"]]
    placement = _placement(pod, definition, template.secrets_for(agent, definition.image_credentials))
    own = {**pod, **placement, "containers": containers}
    # A patch may count on what the template has.
    if not definition.job and not any(map(runs_the_copy, containers)):
        own = without_copy(own)
    manifest = {**template.manifest, "spec": {**spec, "template": {**spec["template"], "spec": own}}}
    patched: dict[str, Any] = merged(manifest, definition.job)
    return patched


def agent_mistake(template: JobTemplate, agent: AgentVersion, namespace: str) -> str | None:
    """Return why no Job can be made of the template for an agent, as a sentence; None if one can."""
    manifest = agent_template(template, agent)
    for path, what in mistakes(manifest, namespace):
        return f"podline.toml, `{'.'.join(map(str, ('job', *path)))}`: {what}."
    [bot] = manifest["spec"]["template"]["spec"]["containers"]
    if runs_the_copy(bot) and not mounts_the_copy(bot):
        return (
            f"The Job template mounts no runner at {RUNNER}: take the init container `runner` and what "
            "belongs to the volume `podline` from deploy/base/bot-job.yaml."
        )
    return None


def _placement(
    pod: Mapping[str, Any], definition: AgentDefinition, pull_secrets: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of the pod that say where it runs and with what its images are pulled."""
    placement: dict[str, Any] = {}
    if pull_secrets:
        # Beside the template's, with which the runner's image may have to be pulled.
        own = [{"name": name} for name in pull_secrets]
        others = [each for each in pod.get("imagePullSecrets") or [] if each not in own]
        placement["imagePullSecrets"] = [*others, *own]
    if definition.architecture is not None:
        placement["nodeSelector"] = {
            **(pod.get("nodeSelector") or {}),
            _ARCHITECTURE: definition.architecture,
        }
    return placement


def _container(
    container: Mapping[str, Any], definition: AgentDefinition, secrets: Sequence[str]
) -> dict[str, Any]:
    changed = dict(container)
    if definition.image is not None:
        changed["image"] = definition.image
    if definition.name != DEFAULT_AGENT or definition.image is not None or definition.python is not None:
        changed["command"] = [definition.python or _PYTHON, RUNNER]
        changed.pop("args", None)
    if definition.name != DEFAULT_AGENT or definition.secret_set is not None:
        changed.update(_variables(container, secrets))
    if quantities := _quantities(definition):
        resources = container.get("resources") or {}
        given = {kind: {**(resources.get(kind) or {}), **quantities} for kind in ("requests", "limits")}
        changed["resources"] = {**resources, **given}
    return changed


def _variables(container: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """Return a container's variables, with the agent's secret set in place of the Secrets of the template.

    Those are the secret set of the default agent, which another agent must not get.
    """
    sources = [each for each in container.get("envFrom") or [] if "secretRef" not in each]
    sources += [{"secretRef": {"name": name}} for name in secrets]
    variables = [each for each in container.get("env") or [] if not _is_of_a_secret(each)]
    return {"env": variables, "envFrom": sources}


def _is_of_a_secret(variable: Mapping[str, Any]) -> bool:
    return "secretKeyRef" in (variable.get("valueFrom") or {})


def _quantities(definition: AgentDefinition) -> dict[str, str]:
    quantities = {"cpu": definition.cpu, "memory": definition.memory}
    return {name: quantity for name, quantity in quantities.items() if quantity is not None}


def merged(template: Any, patch: Any) -> Any:
    """Return what a patch makes of a part of a template.

    Tables are merged, and null removes a key. Lists of things with a `name`, such as containers and volumes,
    are merged by that name; any other list is replaced.
    """
    if isinstance(template, Mapping) and isinstance(patch, Mapping):
        kept = {key: value for key, value in template.items() if key not in patch}
        changed = {key: merged(template.get(key), value) for key, value in patch.items() if value is not None}
        return {**kept, **changed}
    if isinstance(template, list) and isinstance(patch, list) and _are_named(template) and _are_named(patch):
        patches = {each["name"]: each for each in patch}
        known = {each["name"] for each in template}
        return [
            *(merged(each, patches.get(each["name"], {})) for each in template),
            *(each for each in patch if each["name"] not in known),
        ]
    return patch


def _are_named(things: Sequence[Any]) -> bool:
    return all(isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in things)
