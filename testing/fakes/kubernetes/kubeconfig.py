"""Kubeconfig files that lead to a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_kubeconfig(path: Path, url: str, *, namespace: str = "podline", **user: Any) -> Path:
    """One context, `here`, whose user is as the keywords say: token, tokenFile, exec."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "podline", "user": user}],
        "contexts": [
            {"name": "here", "context": {"cluster": "fake", "user": "podline", "namespace": namespace}}
        ],
    }
    # JSON is YAML.
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
