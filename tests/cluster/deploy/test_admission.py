"""The admission component lets bots through as they ship, and what it denies is explained to operators."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from testing.cluster import admission
from testing.cluster.admission import PARAMETERS
from testing.cluster.control_plane import MERGE, PATIENCE_SECONDS, ControlPlane
from testing.cluster.overlays import TEMPLATES, apply, rendered
from testing.cluster.site import ClusterSite, serve, until_not_ready, until_ready, write_template

FATES = "fate.test/"
"""Annotations that decide what happens to fake pods."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def policies_end(plane: ControlPlane) -> AsyncIterator[None]:
    yield
    await admission.remove_policies(plane)


def kubeconfig(account: admission.Account) -> Path:
    return account.plane.kubeconfig_for(account.token, f"kubeconfig-{account.namespace}")


async def test_calls_and_their_ends_are_as_they_are_without_it(
    plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = await admission.install_guarded(plane, namespace, "selfhosted", annotations=FATES)
    async with serve(plane, namespace, tmp_path, kubeconfig=kubeconfig(account)) as site:
        await site.live(session_id="one")
        await site.fate("one", end="exit-67")
        failed = await site.until_over("one")
        await site.until_recorded("one")
        # Its Job and its Secret are named for a hash of this.
        await site.start(session_id="Cart_7.two")
        await site.client.delete("/v1/sessions/Cart_7.two")
        stopped = await site.until_over("Cart_7.two")
        events = await plane.api("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector=type=Warning")

    assert (failed["reason"], stopped["reason"]) == ("model_refused", "stopped")
    assert "ModelRefused" in {each["reason"] for each in events["items"]}
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_bot_is_deployed_through_the_api_as_without_it(
    plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = await admission.install_guarded(
        plane, namespace, "selfhosted", annotations=FATES, images="registry.example.com/clerk"
    )
    secrets = "/v1/organizations/podline/secrets"
    variable = {"secretKey": "A_KEY", "secretValue": "1"}
    registry = {"isImagePullSecret": True, "secretValue": "bWU6cGFzcw==", "host": "registry.example.com"}
    named = 'secret_set = "keys"\nimage_credentials = "registry"\n'
    async with serve(plane, namespace, tmp_path, kubeconfig=kubeconfig(account), has_agents=True) as site:
        for name, body in (("keys", variable), ("registry", registry), ("keys", variable)):
            written = await site.client.put(f"{secrets}/{name}", json=body)
            assert written.status_code == 200, written.text
        await deployed(site, 'image = "registry.example.com/clerk:1"\n' + named)
        refused = await deployed(site, 'image = "registry.example.com/another:1"\n' + named)
        await site.live(session_id="one", agent="clerk")
        await site.client.delete("/v1/sessions/one")
        stopped = await site.until_over("one")
        await site.until_recorded("one")
        gone = [await site.client.delete(f"{secrets}/{name}") for name in ("keys", "registry")]

    assert "may not run the image registry.example.com/another:1: add its repository" in refused["problem"]
    assert refused["version"]["definition"]["image"] == "registry.example.com/clerk:1"
    assert (stopped["reason"], [each.status_code for each in gone]) == ("stopped", [200, 200])
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert warnings == ["agent definition invalid"]


async def deployed(site: ClusterSite, definition: str) -> dict[str, Any]:
    """Deploy an agent, and return it once it is known what becomes of that."""
    answer = await site.client.put("/v1/agents/clerk", json={"files": {"pcc-deploy.toml": definition}})
    agent: dict[str, Any] = answer.json()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while agent["deploying"]:
            await asyncio.sleep(0.05)  # seen from outside only
            agent = (await site.client.get("/v1/agents/clerk")).json()
    return agent


async def test_production_s_controller_launches_its_bots(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    account = await admission.install_guarded(plane, namespace)
    documents = await rendered(plane, "production", namespace)
    await apply(plane, [each for each in documents if each["kind"] == "PriorityClass"])
    template = TEMPLATES["production"]
    try:
        async with serve(
            plane, namespace, tmp_path, kubeconfig=kubeconfig(account), job_template=template
        ) as site:
            session = await site.start(session_id="one")
            pod = await site.pod("one", "Pending")
            await site.client.delete("/v1/sessions/one")
            stopped = await site.until_over("one")
    finally:
        await plane.kubectl("delete", "priorityclass", "podline")

    [bot] = pod["spec"]["containers"]
    assert bot["image"].startswith("registry.example.com/podline-bot:")
    assert (session["phase"], stopped["reason"]) == ("starting", "stopped")


async def test_long_lists_and_a_large_pod_are_judged_within_the_api_server_s_limits(
    plane: ControlPlane, namespace: str
) -> None:
    many = range(300)
    account = await admission.install_guarded(
        plane,
        namespace,
        "selfhosted",
        images="\n".join(f"registry.example.com/team-{number}/" for number in many),
        secrets="\n".join(f"team-{number}" for number in many),
    )
    job = admission.own_job(account)
    pod = job["spec"]["template"]["spec"]
    [bot] = pod["containers"]
    bot["env"] += [
        {"name": f"V{number}", "valueFrom": {"secretKeyRef": {"name": f"team-{number}", "key": "key"}}}
        for number in many
    ]
    pod["initContainers"] = [
        {**bot, "name": f"step-{number}", "image": f"registry.example.com/team-{299 - number}/bot:1"}
        for number in range(5)
    ]

    taken = await account.attempt("POST", account.jobs, job)
    bot["env"][-1]["valueFrom"]["secretKeyRef"]["name"] = "podline-controller"
    denied = await account.attempt("POST", account.jobs, job)

    assert taken.status_code == 201, taken.text
    assert "may not use the Secret podline-controller, " in denied.json()["message"]


async def test_a_template_that_is_denied_is_explained_before_the_first_call_and_mended_without_a_restart(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    account = await admission.install_guarded(plane, namespace, "selfhosted", annotations=FATES)
    mine = tmp_path / "mine"
    mine.mkdir()
    template = write_template(mine, {})
    job = yaml.safe_load(template.read_text(encoding="utf-8"))
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/mine:1"
    template.write_text(yaml.safe_dump(job), encoding="utf-8")
    lists = f"/api/v1/namespaces/{namespace}/configmaps/{PARAMETERS}"
    async with serve(
        plane,
        namespace,
        tmp_path,
        kubeconfig=kubeconfig(account),
        job_template=template,
        is_ready=False,
    ) as site:
        before = await until_not_ready(site.client, because="policy")
        await plane.api(
            "PATCH",
            lists,
            {"data": {"images": "podline-bot\npodline-runner\nregistry.example.com/mine"}},
            MERGE,
        )
        await until_ready(site.client)
        taken = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        await plane.api(
            "PATCH", lists, {"data": {"images": "podline-runner\nregistry.example.com/other"}}, MERGE
        )
        await admission.until_denied(account, "may not run the image podline-bot:")
        refused = await site.client.post("/v1/sessions", json={"user_id": "ben", "session_id": "two"})
        kept = (await site.client.get("/v1/sessions/two")).json()
        await site.client.delete("/v1/sessions/one")
        stopped = await site.until_over("one")

    said = (
        "The admission policy podline-controller-templates denied it: Bots may not run the image "
        "registry.example.com/mine:1: add its repository to `images` in the ConfigMap podline-admission."
    )
    assert before == f"Bots can't be launched or watched right now. {said}"
    assert (taken.status_code, refused.status_code) == (201, 503)
    assert refused.json()["detail"] == f"The bot's Job could not be created. {said}"
    assert (kept["reason"], kept["message"]) == ("launch_failed", refused.json()["detail"])
    assert stopped["reason"] == "stopped"
