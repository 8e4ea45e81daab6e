"""The operator's Job template, read once at startup. A mistake is reported with the line to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import yaml

from controller.core.agents import AgentVersion
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid
from podline.contract import environment

FAILURE_POLICY: Final[dict[str, Any]] = {
    "rules": [
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": names.BOT_CONTAINER, "operator": "NotIn", "values": [0]},
        },
    ]
}
"""Keeps the cause in the Job's condition after the pod is gone. No `Ignore` rule: it allows a second pod."""

ONE_ATTEMPT: Final[dict[str, Any]] = {
    "parallelism": 1,
    "completions": 1,
    "completionMode": "NonIndexed",
    "backoffLimit": 0,
    "podReplacementPolicy": "Failed",
    "podFailurePolicy": FAILURE_POLICY,
}
"""The fields that ensure that one Job is one bot."""

LAST_WORD_FILE: Final = "/dev/termination-log"

_STAMPED: Final = ("activeDeadlineSeconds", "ttlSecondsAfterFinished", "suspend")
_LISTS: Final = ("env", "envFrom", "volumeMounts")
_FOREIGN: Final = ("selector", "manualSelector", "managedBy", "successPolicy", "backoffLimitPerIndex")
_OWN_VARIABLES: Final = frozenset(
    value
    for name, value in vars(environment).items()
    if name.isupper() and isinstance(value, str) and value not in environment.SHARED
)

FieldPath = tuple[str | int, ...]


def _one_secret(name: str) -> Sequence[str]:
    return (name,)


def _is_none(_name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """A checked template.

    Attributes:
        manifest: the template itself.
        secrets_of: returns the names of the Secrets that make up an agent's secret set.
        is_set: returns whether a secret set of this name was written through the API. Otherwise it is a
            Secret of the operator's, which only an operator's agents get.
    """

    manifest: Mapping[str, Any]
    secrets_of: Callable[[str], Sequence[str]] = _one_secret
    is_set: Callable[[str], bool] = _is_none

    def secrets_for(self, agent: AgentVersion, name: str | None) -> Sequence[str]:
        """Return the names of the Secrets that an agent gets for a set that it names."""
        if name is None or (agent.is_of_api and not self.is_set(name)):
            return ()
        return self.secrets_of(name)


def read_template(path: Path, namespace: str) -> JobTemplate:
    """Read and check the operator's template.

    Raises:
        ConfigurationInvalid: it can't be used; the sentence names the line to change.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        manifest = yaml.safe_load(text)
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"{path}: this is not one YAML document: {_where(error)}.") from error
    for field_path, what in mistakes(manifest, namespace):
        raise ConfigurationInvalid(f"{path}, line {_line(root, field_path)}: {what}.")
    return JobTemplate(manifest)


def mistakes(manifest: Any, namespace: str) -> Iterator[tuple[FieldPath, str]]:
    """Yield each field that must be changed, and what is wrong with it."""
    if not isinstance(manifest, dict) or manifest.get("kind") != "Job":
        yield ("kind",), "this is not a Job; start it with `apiVersion: batch/v1` and `kind: Job`"
        return
    if manifest.get("apiVersion") != "batch/v1":
        yield ("apiVersion",), "a Job's apiVersion is batch/v1"
    for metadata_path in (("metadata",), ("spec", "template", "metadata")):
        if not isinstance(_at(manifest, metadata_path) or {}, dict):
            yield metadata_path, f"`{'.'.join(metadata_path)}` must be present and have fields"
            return
    for field_path in (("spec",), ("spec", "template"), ("spec", "template", "spec")):
        if not isinstance(_at(manifest, field_path), dict):
            yield field_path, f"`{'.'.join(field_path)}` must be present and have fields"
            return
    yield from _identity(manifest, namespace)
    yield from _job(manifest["spec"])
    yield from _pod(manifest["spec"]["template"]["spec"])


def _identity(manifest: dict[str, Any], namespace: str) -> Iterator[tuple[FieldPath, str]]:
    metadata = manifest.get("metadata") or {}
    for field in ("name", "generateName"):
        if field in metadata:
            yield ("metadata", field), f"leave `{field}` out: each Job is named for its session"
    if metadata.get("namespace", namespace) != namespace:
        yield (
            ("metadata", "namespace"),
            f"bots run in namespace {namespace}; leave `namespace` out, or set PODLINE_NAMESPACE",
        )
    for field_path in (("metadata",), ("spec", "template", "metadata")):
        for kind in ("labels", "annotations"):
            marks = _at(manifest, (*field_path, kind)) or {}
            if not isinstance(marks, dict):
                yield (*field_path, kind), f"`{kind}` must have fields"
                return
            for key in marks:
                if str(key).startswith(names.OURS):
                    yield (
                        (*field_path, kind, key),
                        f"leave `{key}` out: {names.OURS}* is written by the controller",
                    )


def _job(spec: dict[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    for field, value in ONE_ATTEMPT.items():
        if field in spec and spec[field] != value:
            yield ("spec", field), f"leave `{field}` out, or set it to {_shown(value)}: one Job is one bot"
    for field in _STAMPED:
        if field in spec:
            yield ("spec", field), f"leave `{field}` out: the controller sets it for each session"
    for field in _FOREIGN:
        if field in spec:
            yield ("spec", field), f"leave `{field}` out: with it a Job may not be one bot"


def _pod(spec: dict[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    field_path: FieldPath = ("spec", "template", "spec")
    if spec.get("restartPolicy", "Never") != "Never":
        yield (
            (*field_path, "restartPolicy"),
            "leave `restartPolicy` out, or set it to Never: no bot starts twice",
        )
    if "terminationGracePeriodSeconds" in spec:
        yield (
            (*field_path, "terminationGracePeriodSeconds"),
            "leave `terminationGracePeriodSeconds` out: it follows PODLINE_GRACE_SECONDS",
        )
    containers = spec.get("containers")
    if not _is_list_of_tables(containers):
        yield (*field_path, "containers"), f"there must be a container named {names.BOT_CONTAINER}"
        return
    bots = [index for index, each in enumerate(containers) if each.get("name") == names.BOT_CONTAINER]
    if not bots:
        yield (*field_path, "containers"), f"there must be a container named {names.BOT_CONTAINER}"
    elif len(containers) > 1:
        extra = next(index for index in range(len(containers)) if index != bots[0])
        what = "two containers are named bot" if len(bots) > 1 else "a second container would outlive the bot"
        yield (
            (*field_path, "containers", extra),
            f"{what}; a helper goes into `initContainers` with `restartPolicy: Always`",
        )
    for index in bots[:1]:
        yield from _bot(containers[index], (*field_path, "containers", index))


def _bot(container: dict[str, Any], field_path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if not container.get("image"):
        yield field_path, "the container bot needs an `image`"
    if container.get("terminationMessagePath", LAST_WORD_FILE) != LAST_WORD_FILE:
        yield (*field_path, "terminationMessagePath"), f"the bot writes its final report to {LAST_WORD_FILE}"
    for field in _LISTS:
        if not _is_list_of_tables(container.get(field) or []):
            yield (*field_path, field), f"`{field}` must be a list of things with fields"
            return
    for index, variable in enumerate(container.get("env") or []):
        name = variable.get("name")
        if not isinstance(name, str):
            yield (*field_path, "env", index), "a variable needs a `name`, which is a text"
        elif name in _OWN_VARIABLES:
            yield (*field_path, "env", index), f"leave `{name}` out: the controller sets it for each session"


def _is_list_of_tables(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _at(value: Any, field_path: FieldPath) -> Any:
    for step in field_path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _line(node: yaml.Node | None, field_path: FieldPath) -> int:
    """Return the line of a field, or of the nearest one around it that is in the file."""
    line = node.start_mark.line + 1 if node is not None else 1
    for step in field_path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return (
        f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark is not None else type(error).__name__
    )


def _shown(value: Any) -> str:
    return "the two rules of deploy/base/bot-job.yaml" if isinstance(value, dict) else f"{value}"
