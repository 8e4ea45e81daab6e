"""What ships in deploy/base is taken by a real API server, and its bots pass the namespace's own rules."""

from __future__ import annotations

from pathlib import Path

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import BASE, serve

NAMESPACE = "podline"


async def test_the_base_is_applied_and_a_bot_starts_in_its_restricted_namespace(
    plane: ControlPlane, tmp_path: Path
) -> None:
    await plane.kubectl("apply", "-k", str(BASE))
    applied = await plane.kubectl("apply", "-k", str(BASE), "--dry-run=server")
    role = await plane.api(
        "GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/podline/roles/podline-controller"
    )
    await plane.until(
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
        lambda accounts: any(each["metadata"]["name"] == "default" for each in accounts["items"]),
    )
    try:
        async with serve(plane, NAMESPACE, tmp_path) as site:
            session, _ = await site.live(session_id="one")
            warnings = await plane.api(
                "GET", f"/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=type=Warning"
            )
    finally:
        await plane.kubectl("delete", "-k", str(BASE), "--wait=false")

    assert session["phase"] == "live"
    assert [each["message"] for each in warnings["items"] if each["involvedObject"]["kind"] == "Job"] == []
    assert {line.split()[-1] for line in applied.splitlines()} <= {"run)", "unchanged"}
    assert "*" not in str(role["rules"])
