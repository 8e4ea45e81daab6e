"""Credentials that are renewed where they come from, while the controller runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import serve, until_not_ready, until_ready


def kubeconfig(plane: ControlPlane, directory: Path, user: Mapping[str, object]) -> Path:
    """Authenticate in another way than by a token."""
    manifest = yaml.safe_load(plane.kubeconfig.read_text(encoding="utf-8"))
    manifest["users"] = [{"name": each["name"], "user": user} for each in manifest["users"]]
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return path


async def test_a_token_that_is_rotated_in_its_file_is_read_again(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(plane.admin_token)
    path = kubeconfig(plane, tmp_path, {"tokenFile": str(token)})
    async with serve(plane, namespace, tmp_path, kubeconfig=path, watch_seconds=2) as site:
        token.write_text("expired")
        # What is open goes on with what it began with; the next start finds out that nothing was renewed.
        await site.start()
        token.write_text(plane.admin_token)
        await until_ready(site.client)
        session = await site.start()

    assert session["phase"] == "starting"


async def test_a_plugin_is_asked_for_a_token_again_when_the_last_one_has_expired(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    token, calls = tmp_path / "token", tmp_path / "calls"
    token.write_text("expired")
    plugin = tmp_path / "plugin"
    plugin.write_text(
        "#!/bin/sh\n"
        f"echo call >> {calls}\n"
        'printf \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        f'"status": {{"token": "%s"}}}}\' "$(cat {token})"\n'
    )
    plugin.chmod(0o700)
    plugin_user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    path = kubeconfig(plane, tmp_path, plugin_user)
    async with serve(plane, namespace, tmp_path, kubeconfig=path, is_ready=False) as site:
        await until_not_ready(site.client, because="credentials")
        token.write_text(plane.admin_token)
        await until_ready(site.client)
        session = await site.start()

    assert session["phase"] == "starting"
    assert len(calls.read_text().splitlines()) > 1
    assert os.environ.get("KUBERNETES_EXEC_INFO") is None
