"""The cluster's DNS: CoreDNS in a pod of kube-system, with its usual labels and Service."""

from __future__ import annotations

from typing import Any, Final

from testing.builds.images import DNS_IMAGE
from testing.node.worker import DNS_ADDRESS, DNS_DOMAIN

LABELS: Final = {"k8s-app": "kube-dns"}
NAME: Final = "coredns"
CONFIGURATION: Final = f"{DNS_DOMAIN}:53 {{\n  errors\n  kubernetes {DNS_DOMAIN}\n}}\n"


def manifests(node: int) -> list[dict[str, Any]]:
    """All of it, on one node, which no test takes away.

    It belongs to a DaemonSet, since a drain passes over those.
    """
    metadata = {"name": NAME, "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    account = {"kind": "ServiceAccount", **metadata}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME},
            "rules": [
                {"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]}
                for group, resources in (
                    ("", ["services", "namespaces", "pods"]),
                    ("discovery.k8s.io", ["endpointslices"]),
                )
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": role,
            "subjects": [account],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": CONFIGURATION}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {
                "clusterIP": DNS_ADDRESS,
                "selector": LABELS,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod(node)},
            },
        },
    ]


def _pod(node: int) -> dict[str, Any]:
    return {
        "serviceAccountName": NAME,
        "nodeSelector": {"podline.test/number": str(node)},
        "dnsPolicy": "Default",
        "containers": [
            {
                "name": NAME,
                "image": DNS_IMAGE,
                "imagePullPolicy": "Never",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns"}],
            }
        ],
        "volumes": [{"name": "configuration", "configMap": {"name": NAME}}],
    }
