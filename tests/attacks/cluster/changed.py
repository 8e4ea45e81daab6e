"""A manifest with something in it changed, named by where it is."""

from __future__ import annotations

import copy
from typing import Any

PLACES = {
    "top": (),
    "job": ("spec",),
    "meta": ("metadata",),
    "template": ("spec", "template", "metadata"),
    "pod": ("spec", "template", "spec"),
    "bot": ("spec", "template", "spec", "containers", 0),
    "helper": ("spec", "template", "spec", "initContainers", 0),
}
"""What a path begins with. A helper is an init container that the bot's Job gets for it."""

ABSENT = object()
"""As a value: the field is taken away."""


def changed(manifest: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """A copy with this value there.

    `/` lies between steps, `~` is a slash in one, and `+` as the last one appends to a list.
    """
    manifest = copy.deepcopy(manifest)
    first, *steps = (step.replace("~", "/") for step in where.split("/"))
    if first == "helper":
        pod = manifest["spec"]["template"]["spec"]
        bot = copy.deepcopy(pod["containers"][0])
        pod["initContainers"] = [{**bot, "name": "helper", "restartPolicy": "Always"}]
    target: Any = manifest
    for step in PLACES[first]:
        target = target[step]
    *between, last = steps
    for step in between:
        if isinstance(target, list):
            target = target[int(step)]
        else:
            target = target.setdefault(step, [] if last == "+" and step is between[-1] else {})
    if last == "+":
        target.append(value)
    elif value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return manifest
