"""The copy of Podline's runner that a pod of the template makes, and pods without it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

RUNNER: Final = "/podline"
"""Where the template mounts Podline's runner: a directory that Python can run."""


def runs_the_copy(container: Mapping[str, Any]) -> bool:
    """Return whether a container's command names the copy. The entry point of our own image does not."""
    words = [*_list(container.get("command")), *_list(container.get("args"))]
    return any(RUNNER in str(word) for word in words)


def mounts_the_copy(container: Mapping[str, Any]) -> bool:
    return any(each.get("mountPath") == RUNNER for each in _tables(container.get("volumeMounts")))


def without_copy(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod without the init container that copies the runner, and without the volume it copies to.

    The bot begins half a second earlier (docs/benchmarks.md). If anything else uses the volume, all stays.
    """
    mounts = [mount for each in pod["containers"] for mount in _tables(each.get("volumeMounts"))]
    copies = {str(each.get("name")) for each in mounts if each.get("mountPath") == RUNNER}
    before = _tables(pod.get("initContainers"))
    copying = [each for each in before if _volumes(each) and _volumes(each) <= copies]
    helpers = [each for each in before if each not in copying]
    containers = [_unmounted(each) for each in pod["containers"]]
    if not copying or any(_volumes(each) & copies for each in [*helpers, *containers]):
        return dict(pod)
    volumes = [each for each in _tables(pod.get("volumes")) if str(each.get("name")) not in copies]
    return {**pod, "initContainers": helpers, "containers": containers, "volumes": volumes}


def _volumes(container: Mapping[str, Any]) -> set[str]:
    return {str(each.get("name")) for each in _tables(container.get("volumeMounts"))}


def _unmounted(container: Mapping[str, Any]) -> dict[str, Any]:
    mounts = _tables(container.get("volumeMounts"))
    return {**container, "volumeMounts": [each for each in mounts if each.get("mountPath") != RUNNER]}


def _list(value: Any) -> list[Any]:
    """Return a list, or an empty one for anything else: only the API server checks most of a template."""
    return value if isinstance(value, list) else []


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, Mapping)]
