"""What deploy/ has, rendered by kubectl and moved to a namespace of a test's own."""

from __future__ import annotations

from typing import Any

import yaml

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import BASE

DEPLOY = BASE.parent
OVERLAYS = {
    "base": BASE,
    **{name: DEPLOY / "overlays" / name for name in ("kind", "production", "selfhosted")},
}
TEMPLATES = {"base": BASE / "bot-job.yaml", "production": OVERLAYS["production"] / "bot-job.yaml"}


async def rendered(plane: ControlPlane, overlay: str, namespace: str) -> list[dict[str, Any]]:
    """All that the overlay has, moved to a namespace of the test's own."""
    text = await plane.kubectl("kustomize", str(OVERLAYS[overlay]))
    documents = [each for each in yaml.safe_load_all(text) if each["kind"] != "Namespace"]
    for each in documents:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = namespace
        for subject in each.get("subjects", []):
            subject["namespace"] = namespace
    return documents


async def apply(plane: ControlPlane, documents: list[dict[str, Any]], *options: str) -> str:
    # A pod that the namespace's rules would refuse is a warning on its Deployment.
    return await plane.kubectl(
        "apply", "--warnings-as-errors", "-f", "-", *options, stdin=yaml.safe_dump_all(documents)
    )
