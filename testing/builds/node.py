"""The programs of a real node, beside those of the control plane.

Run as `python -m testing.builds.node` it makes them available and prints where each of them is.
"""

from __future__ import annotations

import sys

from testing.builds.binaries import MODULES, OF_KUBERNETES, PARTS, GoModule, main

COREDNS = GoModule(MODULES / "coredns", {"coredns": "github.com/coredns/coredns"})
ENFORCER = GoModule(MODULES / "network-policies", {"network-policies": "."})
ALL_PARTS = (
    *PARTS,
    GoModule(
        MODULES / "kubelet",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-proxy")},
        OF_KUBERNETES,
    ),
    COREDNS,
    ENFORCER,
)

if __name__ == "__main__":
    sys.exit(main(ALL_PARTS))
