"""What an operator or a caller gets wrong is explained in a sentence, and nothing is left half made."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import BASE, secret_of, serve, until_not_ready

TEMPLATE = BASE / "bot-job.yaml"


async def serve_with(template: Path, kubeconfig: Path) -> tuple[int | None, str]:
    """What `podline serve` says and exits with where it can't begin."""
    variables = {
        "PATH": os.environ["PATH"],
        "PODLINE_RUNTIME": "kubernetes",
        "PODLINE_JOB_TEMPLATE": str(template),
        "PODLINE_CONTROLLER_URL": "http://127.0.0.1:1",
        "PODLINE_SECRET": "secret enough for tests",
        "KUBECONFIG": str(kubeconfig),
    }
    command = (sys.executable, "-m", "controller.__main__", "serve")
    process = await asyncio.create_subprocess_exec(
        *command, env=variables, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_template_with_two_bots_is_refused_with_the_line_to_change(
    plane: ControlPlane, tmp_path: Path
) -> None:
    template = tmp_path / "bot-job.yaml"
    text = TEMPLATE.read_text(encoding="utf-8")
    twice = "        - {name: bot, image: another}\n"
    template.write_text(text.replace("      volumes:\n", f"{twice}      volumes:\n"), encoding="utf-8")
    line = template.read_text(encoding="utf-8").splitlines().index(twice.rstrip()) + 1

    code, said = await serve_with(template, plane.kubeconfig)

    assert code == 64
    assert said == (
        f"podline: {template}, line {line}: two containers are named bot; a helper goes into "
        "`initContainers` with `restartPolicy: Always`.\n"
    )


async def test_a_kubeconfig_that_is_none_is_refused(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("token: a-secret\nnothing: else\n")

    code, said = await serve_with(TEMPLATE, kubeconfig)

    assert code == 64
    assert said.startswith(f"podline: The kubeconfig {kubeconfig} can't be used: ")
    assert said.count("\n") == 1
    assert "a-secret" not in said


async def test_without_any_cluster_it_says_where_it_has_looked(tmp_path: Path) -> None:
    code, said = await serve_with(TEMPLATE, tmp_path / "nowhere")

    assert code == 64
    assert said.startswith(f"podline: No cluster was found: there is no kubeconfig at {tmp_path / 'nowhere'}")


async def test_a_namespace_that_is_not_there_is_named(plane: ControlPlane, tmp_path: Path) -> None:
    async with serve(plane, "nowhere", tmp_path, is_ready=False) as site:
        why = await until_not_ready(site.client, because="namespace")
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana"})

    assert why.endswith(
        "There is no namespace nowhere: create it, or set PODLINE_NAMESPACE "
        "to the one that bots should run in."
    )
    assert (answer.status_code, answer.json()["detail"]) == (503, why)


async def test_an_expired_token_is_named(plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kubeconfig = plane.kubeconfig_for("expired", "kubeconfig-expired")
    async with serve(plane, namespace, tmp_path, kubeconfig=kubeconfig, is_ready=False) as site:
        why = await until_not_ready(site.client, because="credentials")

    assert why.endswith("The API server does not accept the controller's credentials (401). Renew them.")


async def test_a_template_that_the_api_server_does_not_take_is_found_before_the_first_caller(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, is_vast=True, is_ready=False) as site:
        site.controller.server  # noqa: B018 - it serves
    template = tmp_path / "odd.yaml"
    template.write_text(TEMPLATE.read_text(encoding="utf-8").replace("memory: 512Mi", "memory: lots"))
    async with serve(plane, namespace, tmp_path, job_template=template, is_ready=False) as site:
        why = await until_not_ready(site.client, because="answered")

    assert "quantities must match" in why


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cart", "cart"), ("a.b", "a-b"), ("a" * 127 + "1", "a" * 127 + "2"), ("-", "_")],
)
async def test_ids_that_look_alike_are_two_sessions_kept_whole(
    plane: ControlPlane, namespace: str, tmp_path: Path, one: str, other: str
) -> None:
    users = {one: "あ" * 128, other: 'O\'Brien, "Ana" $(USER_ID) ${X}'}
    async with serve(plane, namespace, tmp_path) as site:
        for session_id, user_id in users.items():
            await site.start(session_id=session_id, user_id=user_id)
        jobs = (await plane.api("GET", site.jobs))["items"]

    annotations = [job["metadata"]["annotations"] for job in jobs]
    kept = {each["podline.dev/session-id"]: each["podline.dev/user-id"] for each in annotations}
    assert kept == users
    assert len({job["metadata"]["name"] for job in jobs}) == 2


async def test_a_foreign_job_of_the_same_name_is_left_alone(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    await plane.kubectl("create", "job", "one", "--image=x", "-n", namespace)
    async with serve(plane, namespace, tmp_path) as site:
        before = await site.job("one")
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        after = await site.job("one")
        secrets = await plane.api("GET", site.secrets)

    assert (answer.status_code, answer.json()["code"]) == (409, "session_conflict")
    assert answer.json()["detail"] == (
        f"The Job one in namespace {namespace} has the name of session 'one' but belongs to something "
        "else. Choose another session_id, or delete the Job."
    )
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert secrets["items"] == []


async def test_a_foreign_secret_of_the_same_name_is_in_nobodys_way_and_in_no_bots_environment(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    await plane.kubectl("create", "secret", "generic", "one", "--from-literal=A=b", "-n", namespace)
    async with serve(plane, namespace, tmp_path) as site:
        session = await site.start(session_id="one")
        secret = await plane.api("GET", f"{site.secrets}/one")
        names = secret_of(await site.job("one"))

    assert session["phase"] == "starting"
    assert secret["data"].keys() == {"A"}
    assert names != "one"
