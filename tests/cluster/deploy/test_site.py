"""What scripts/kind-up does in a cluster, up to where pods would have to run for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from podline_cli.errors import CommandError
from scripts.site.calling import make_call, print_timeline
from scripts.site.installation import DEPLOYMENTS as DEPLOYED
from scripts.site.installation import install_site, wait_until_up
from scripts.site.kubectl import Kubectl
from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.kwok import END, Fate
from testing.cluster.site import serve
from testing.documents.commands import commands
from testing.documents.markdown import all_pages

NAMESPACE = "/api/v1/namespaces/podline"
DEPLOYMENTS = "/apis/apps/v1/namespaces/podline/deployments"

READ = {"get", "describe"}
CHANGE = {"annotate", "create", "label", "scale", "taint"}
"""What kubectl can ask the server about without doing it."""

FILES = (".env", "bot.py", "keys.json", "pcc-deploy.toml", "podline.toml", "ca.crt", "prices.toml")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def own_namespace(plane: ControlPlane) -> AsyncIterator[None]:
    """Podline's namespace is these tests' alone: it is as fixed as its Services' names."""
    await until_gone(plane)
    yield
    await plane.kubectl("delete", "namespace", "podline", "--wait=false")
    await plane.kubectl("-n", "podline", "delete", "pods", "--all", "--force", "--grace-period=0")
    await until_gone(plane)


@pytest.fixture
def kubectl(plane: ControlPlane) -> Kubectl:
    return Kubectl.of(plane.binaries["kubectl"], plane.kubeconfig)


@pytest.fixture
async def site(plane: ControlPlane, kubectl: Kubectl) -> AsyncIterator[None]:
    """All that is installed is there, as it was written."""
    await asyncio.to_thread(install_site, kubectl)
    yield
    await plane.kubectl("-n", "podline", "delete", "deployment", "podline", "--ignore-not-found")


async def until_gone(plane: ControlPlane) -> None:
    async with asyncio.timeout(60):
        while await plane.kubectl("get", "namespace", "podline", "--ignore-not-found"):  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.2)


async def secrets(plane: ControlPlane) -> dict[str, dict[str, str]]:
    found = await plane.api("GET", f"{NAMESPACE}/secrets")
    return {each["metadata"]["name"]: each["data"] for each in found["items"]}


async def test_a_site_comes_up_and_a_second_time_leaves_its_secrets_as_they_are(
    plane: ControlPlane, kubectl: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(install_site, kubectl)
    made = await secrets(plane)
    deployments = await plane.api("GET", DEPLOYMENTS)
    capsys.readouterr()
    await asyncio.to_thread(install_site, kubectl)

    assert {each["metadata"]["name"] for each in deployments["items"]} == DEPLOYED.keys()
    assert [each["status"].get("readyReplicas") for each in deployments["items"]] == [1] * len(DEPLOYED)
    changed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    # kubectl says so of every budget: its selector is replaced, by the same.
    assert changed <= {f"poddisruptionbudget.policy/podline-{each}" for each in ("bot", "controller")}
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
async def test_what_does_not_come_up_says_why(
    plane: ControlPlane, kubectl: Kubectl, fate: str, complaint: str
) -> None:
    marked = {"spec": {"template": {"metadata": {"annotations": {END: fate}}}}}
    await plane.api("PATCH", f"{DEPLOYMENTS}/podline", marked, MERGE)

    with pytest.raises(CommandError, match=rf"^podline did not come up: pod/podline-\S+ {complaint}"):
        await asyncio.to_thread(wait_until_up, kubectl, "podline", 3.0)


@pytest.mark.usefixtures("site")
async def test_pods_that_may_not_be_made_are_told(plane: ControlPlane, kubectl: Kubectl) -> None:
    forbidden = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    await plane.api("PATCH", f"{DEPLOYMENTS}/podline", forbidden, MERGE)

    with pytest.raises(CommandError) as refused:
        await asyncio.to_thread(wait_until_up, kubectl, "podline", 3.0)

    assert str(refused.value).startswith("podline did not come up: no pod can be made (pods ")
    assert 'violates PodSecurity "restricted:latest": host namespaces' in str(refused.value)


@pytest.mark.usefixtures("site")
async def test_a_call_that_fails_says_what_became_of_caller_and_bot(
    plane: ControlPlane, kubectl: Kubectl
) -> None:
    calling = asyncio.create_task(asyncio.to_thread(make_call, kubectl))
    pods = f"{NAMESPACE}/pods"
    found = await plane.until(
        f"{pods}?labelSelector=app.kubernetes.io/name=podline-caller",
        lambda found: [each["status"]["phase"] for each in found["items"]] == ["Running"],
    )
    await plane.annotate(f"{pods}/{found['items'][0]['metadata']['name']}", {END: Fate.exits(1)})

    with pytest.raises(
        CommandError, match=r"^The call failed, and the caller's pod/podline-caller-"
    ) as failed:
        await calling

    assert failed.value.details.endswith("No bot was launched.")


@pytest.mark.usefixtures("site")
async def test_a_session_s_timeline_is_told_from_its_job(
    plane: ControlPlane, kubectl: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(plane, "podline", tmp_path) as site:
        _, bot = await site.live(session_id="one")
        await site.fate(
            "one", end=Fate.exits(0), final_report=yaml.safe_dump(bot.final_report("caller_left"))
        )
        session = await site.until_over("one")
        await site.until_recorded("one")

    await asyncio.to_thread(print_timeline, kubectl, "one")

    first, *stages = capsys.readouterr().out.splitlines()
    assert first == f"one ended as {session['reason']}: {session['message']}"
    shown = [line.split() for line in stages]
    assert [name for _, _, name in shown] == [name for name, at in session["timeline"].items() if at]
    assert shown[0] == ["0.00", "s", "accepted"]


def documented() -> set[tuple[str, ...]]:
    """What the pages' commands give kubectl, less what needs a node or files of ours, or is refused."""
    written = {
        tuple(words[1:])
        for page in all_pages()
        for block in page.blocks
        if block.language == "sh"
        for words in commands(block.text)
        if words[0] == "kubectl"
    }
    return {
        words
        for words in written
        if (READ | CHANGE) & set(words) and not {"-f", "-k", "--dry-run=server"} & set(words)
    }


@pytest.mark.usefixtures("site")
async def test_the_cluster_knows_what_the_pages_have_operators_ask_it(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (tmp_path / name).write_text("KEY=value\n")
    monkeypatch.chdir(tmp_path)
    await plane.kubectl("-n", "podline", "create", "configmap", "agent-clerk", "--from-file=bot.py")
    node = (await plane.api("GET", "/api/v1/nodes"))["items"][0]["metadata"]["name"]
    await plane.kubectl("-n", "podline", "create", "job", "documented", "--image=none")
    async with asyncio.TaskGroup() as tasks:
        for words in documented():
            # What goes on forever is asked once.
            known = [{"NODE": node, "NAME": "documented"}.get(word, word) for word in words if word != "-w"]
            if CHANGE & set(words):
                known.append("--dry-run=server")
            if "create" in words:
                # Podline's own namespace has most of it.
                known.append("--namespace=default")
            tasks.create_task(plane.kubectl(*known))
    await plane.kubectl("-n", "podline", "delete", "job/documented", "configmap/agent-clerk", "--wait=false")
