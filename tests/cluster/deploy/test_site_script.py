"""scripts/lib-site.sh as scripts/kind-up uses it, up to where pods would have to run for real."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.kwok import END, Fate
from testing.cluster.site import serve

SCRIPT = Path(__file__).parents[3] / "scripts" / "lib-site.sh"
NAMESPACE = "/api/v1/namespaces/podline"
DEPLOYMENTS = "/apis/apps/v1/namespaces/podline/deployments"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def own_namespace(plane: ControlPlane) -> AsyncIterator[None]:
    """The script's namespace is these tests' alone: it is as fixed as its Services' names."""
    await until_gone(plane)
    yield
    await plane.kubectl("delete", "namespace", "podline", "--wait=false")
    await plane.kubectl("-n", "podline", "delete", "pods", "--all", "--force", "--grace-period=0")
    await until_gone(plane)


@pytest.fixture
async def site(plane: ControlPlane) -> AsyncIterator[None]:
    """All that the script installs is there, as it was written."""
    code, _, complained = await run(plane, "install_site")
    assert (code, complained) == (0, "")
    yield
    await plane.kubectl("-n", "podline", "delete", "deployment", "podline", "--ignore-not-found")


async def until_gone(plane: ControlPlane) -> None:
    async with asyncio.timeout(60):
        while await plane.kubectl("get", "namespace", "podline", "--ignore-not-found"):  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.2)


async def run(plane: ControlPlane, commands: str, patience: int = 30) -> tuple[int | None, str, str]:
    """Exit code, what was said and what was complained of."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"set -euo pipefail; source {SCRIPT}; {commands}"),
        env={
            **os.environ,
            "PATH": f"{plane.binaries['kubectl'].parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(plane.kubeconfig),
            "site_patience": str(patience),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    return process.returncode, said.decode(), complained.decode()


async def secrets(plane: ControlPlane) -> dict[str, dict[str, str]]:
    found = await plane.api("GET", f"{NAMESPACE}/secrets")
    return {each["metadata"]["name"]: each["data"] for each in found["items"]}


async def test_a_site_comes_up_and_a_second_time_leaves_its_secrets_as_they_are(plane: ControlPlane) -> None:
    first = await run(plane, "install_site")
    made = await secrets(plane)
    second = await run(plane, "install_site")

    assert first[::2] == second[::2] == (0, "")
    assert [line for line in first[1].splitlines() if line.endswith(" is up.")] == [
        f"{name} is up." for name in ("podline-sandbox", "podline-livekit", "podline", "podline-web")
    ]
    changed = {line.split()[0] for line in second[1].splitlines() if line.endswith(("created", "configured"))}
    # kubectl says so of every budget: its selector is replaced, by the same.
    assert changed <= {"poddisruptionbudget.policy/podline-bot"}
    assert await secrets(plane) == made
    assert made.keys() == {
        *("podline-controller", "podline-admin-key", "podline-keys", "podline-web"),
        *("podline-bot", "podline-sandbox-certificate", "podline-livekit"),
    }
    authorities = await plane.api("GET", f"{NAMESPACE}/configmaps/podline-authorities")
    assert authorities["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("fate", "complaint"),
    [
        (Fate.IMAGE_PULL, "is Pending ImagePullBackOff Back-off pulling image"),
        (Fate.SECRET_MISSING, "is Pending CreateContainerConfigError secret"),
        (Fate.NEVER_READY, "is Pending ContainerCreating"),
    ],
)
async def test_what_does_not_come_up_says_why(plane: ControlPlane, fate: str, complaint: str) -> None:
    marked = {"spec": {"template": {"metadata": {"annotations": {END: fate}}}}}
    await plane.api("PATCH", f"{DEPLOYMENTS}/podline", marked, MERGE)

    code, said, complained = await run(plane, "until_up podline podline-controller", patience=3)

    assert code == 1
    assert said.startswith("Waiting for podline: ")
    assert "podline did not come up: pod/podline-" in complained
    assert complaint in complained


@pytest.mark.usefixtures("site")
async def test_pods_that_may_not_be_made_are_told(plane: ControlPlane) -> None:
    forbidden = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    await plane.api("PATCH", f"{DEPLOYMENTS}/podline", forbidden, MERGE)

    code, _, complained = await run(plane, "until_up podline podline-controller", patience=3)

    assert code == 1
    assert "podline did not come up: no pod can be made (pods " in complained
    assert 'violates PodSecurity "restricted:latest": host namespaces' in complained


@pytest.mark.usefixtures("site")
async def test_a_call_that_fails_says_what_became_of_caller_and_bot(plane: ControlPlane) -> None:
    calling = asyncio.create_task(run(plane, "make_call"))
    pods = f"{NAMESPACE}/pods"
    found = await plane.until(
        f"{pods}?labelSelector=app.kubernetes.io/name=podline-caller",
        lambda found: [each["status"]["phase"] for each in found["items"]] == ["Running"],
    )
    await plane.annotate(f"{pods}/{found['items'][0]['metadata']['name']}", {END: Fate.exits(1)})

    code, said, complained = await calling

    assert (code, said) == (1, "A caller is calling ...\n")
    assert "No bot was launched." in complained
    assert "The call failed. The caller: pod/podline-caller-" in complained


@pytest.mark.usefixtures("site")
async def test_a_session_s_timeline_is_told_from_its_job(plane: ControlPlane, tmp_path: Path) -> None:
    async with serve(plane, "podline", tmp_path) as site:
        _, bot = await site.live(session_id="one")
        await site.fate(
            "one", end=Fate.exits(0), final_report=yaml.safe_dump(bot.final_report("caller_left"))
        )
        session = await site.until_over("one")
        await site.until_recorded("one")

    code, said, complained = await run(plane, "print_timeline one")

    assert (code, complained) == (0, "")
    first, *stages = said.splitlines()
    assert first == f"one ended as {session['reason']}: {session['message']}"
    shown = [line.split() for line in stages]
    assert [name for _, _, name in shown] == [name for name, at in session["timeline"].items() if at]
    assert shown[0] == ["0.00", "s", "accepted"]
