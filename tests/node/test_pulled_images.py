"""The component that has the bots' images pulled on each node before a bot needs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from testing.node.node_cluster import NODES, NodeCluster
from testing.node.site import COMPONENTS, OVERLAY_NAMESPACE


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """The component alone, in the namespace of the overlay that is installed."""
    folder = tmp_path.resolve()
    content = {
        "namespace": OVERLAY_NAMESPACE,
        "components": [os.path.relpath(COMPONENTS / "pulled-images", folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


async def test_each_node_is_made_to_have_the_bots_images(installed: NodeCluster, overlay: Path) -> None:
    await installed.kubectl("apply", "-k", str(overlay))
    try:
        path = f"/apis/apps/v1/namespaces/{OVERLAY_NAMESPACE}/daemonsets/podline-images"
        found = await installed.until(path, lambda each: each["status"].get("numberReady") == NODES)
    finally:
        await installed.kubectl("delete", "-k", str(overlay))

    [init] = found["spec"]["template"]["spec"]["initContainers"]
    assert init["image"].startswith("podline-bot:")
