"""Where the definitions of what Prometheus' operator reads are, as its own release has them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from testing.builds.binaries import MODULES, cache_directory
from testing.builds.go import find_go

_MODULE: Final = "github.com/prometheus-operator/prometheus-operator"


def operator_definitions() -> list[Path]:
    """A CustomResourceDefinition in each file, downloaded if it is missing."""
    answer = subprocess.run(  # noqa: S603 - our own module
        [find_go(cache_directory()), "mod", "download", "-json", _MODULE],
        cwd=MODULES / "prometheus-operator",
        capture_output=True,
        check=True,
    )
    folder = Path(json.loads(answer.stdout)["Dir"]) / "example" / "prometheus-operator-crd"
    return [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in ("prometheusrules", "servicemonitors")]
