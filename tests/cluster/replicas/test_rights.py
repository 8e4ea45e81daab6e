"""A replica that may not use the Lease says so, and is not ready in the place of one that may."""

from __future__ import annotations

import copy
import signal
from pathlib import Path

import yaml

from testing.cluster.control_plane import ControlPlane
from testing.cluster.replicas import ReplicaProcess, replica_process
from testing.cluster.site import BASE

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


async def test_missing_rights_to_the_lease_are_named(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    [role, binding] = copy.deepcopy(list(yaml.safe_load_all((BASE / "role.yaml").read_text("utf-8"))))
    role["rules"] = [rule for rule in role["rules"] if "leases" not in rule["resources"]]
    binding["subjects"][0]["namespace"] = namespace
    account = binding["subjects"][0]["name"]
    core = f"/api/v1/namespaces/{namespace}"
    await plane.api("POST", f"{core}/serviceaccounts", {"metadata": {"name": account}})
    await plane.api("POST", f"{RBAC}/{namespace}/roles", role)
    await plane.api("POST", f"{RBAC}/{namespace}/rolebindings", binding)
    token = await plane.service_account_token(namespace, account)
    kubeconfig = plane.kubeconfig_for(token, f"kubeconfig-{namespace}")
    replica = ReplicaProcess(replica_process(kubeconfig, namespace, tmp_path / "replica"))
    await replica.process.start()
    try:
        await replica.until_listening()
        reason = await replica.until_not_ready("leases")
    finally:
        await replica.end(signal.SIGKILL)
        await replica.client.aclose()

    assert "Role" in reason
