"""The Role that ships is enough, and each verb of it is needed: without it, a sentence names it."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane
from testing.cluster.site import BASE, ClusterSite, serve, until_not_ready

ACCOUNT = "podline-controller"
[ROLE, BINDING] = yaml.safe_load_all((BASE / "role.yaml").read_text(encoding="utf-8"))
ALL = [
    (resource, verb)
    for rule in ROLE["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
    # The controllers here are alone, so they use no Lease: test_replicas.py tries that right. They have no
    # warm bots either, whose pods are labelled: tests/cluster/test_warm_bots.py tries that.
    if resource != "leases" and (resource, verb) != ("pods", "patch")
]
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


async def kubeconfig_of_an_account(
    plane: ControlPlane, namespace: str, *without: tuple[str, str], unnamed: str = ""
) -> Path:
    """Of a service account with the Role that ships, less some of its verbs, or of the names in it."""
    role = copy.deepcopy(ROLE)
    for rule in role["rules"]:
        rule["verbs"] = [verb for verb in rule["verbs"] if (rule["resources"][0], verb) not in without]
        if "resourceNames" in rule:
            rule["resourceNames"] = [name for name in rule["resourceNames"] if name != unnamed]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    account = {"metadata": {"name": ACCOUNT}}
    await plane.api("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    await plane.api("POST", f"{RBAC}/{namespace}/roles", role)
    binding = {**BINDING, "subjects": [{**BINDING["subjects"][0], "namespace": namespace}]}
    await plane.api("POST", f"{RBAC}/{namespace}/rolebindings", binding)
    token = await plane.service_account_token(namespace, ACCOUNT)
    return plane.kubeconfig_for(token, f"kubeconfig-{namespace}")


async def test_the_role_that_ships_is_enough_for_a_call_and_its_end(
    plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kubeconfig = await kubeconfig_of_an_account(plane, namespace)
    async with serve(plane, namespace, tmp_path, kubeconfig=kubeconfig, has_agents=True) as site:
        await define(site, "clerk", 'image = "clerk:1"')
        await define(site, "usher", "image = 1")
        await site.plane.until(
            f"/api/v1/namespaces/{namespace}/configmaps/podline-agents",
            lambda found: "clerk" in found.get("data", {}),
        )
        await site.live(session_id="one", agent="clerk")
        logs = await site.client.get("/v1/sessions/one/logs")
        await site.fate("one", end="exit-67")
        failed = await site.until_over("one")
        await site.until_recorded("one")
        await site.live(session_id="two")
        await site.client.delete("/v1/sessions/two")
        stopped = await site.until_over("two")
        await site.until_recorded("two")

    assert logs.status_code == 200
    assert (failed["reason"], stopped["reason"]) == ("model_refused", "stopped")
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert warnings == ["agent definition invalid"]


async def define(site: ClusterSite, agent: str, deploy: str) -> None:
    manifest = {
        "metadata": {"name": f"agent-{agent}", "labels": {"podline.dev/agent": agent}},
        "data": {"pcc-deploy.toml": deploy},
    }
    await site.plane.api("POST", f"/api/v1/namespaces/{site.namespace}/configmaps", manifest)


async def an_agent(site: ClusterSite) -> str:
    await define(site, "clerk", 'image = "clerk:1"')
    return ""


async def not_ready(site: ClusterSite) -> str:
    return await until_not_ready(site.client, because="Role")


async def a_start(site: ClusterSite) -> str:
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana"})
    assert answer.status_code == 503
    jobs = await site.plane.api("GET", site.jobs)
    assert [job for job in jobs["items"] if "deletionTimestamp" not in job["metadata"]] == []
    return str(answer.json()["detail"])


async def a_start_under_a_name_that_is_there(site: ClusterSite) -> str:
    job = (await site.plane.kubectl("create", "job", "one", "--image=x", "-n", site.namespace)).strip()
    assert "created" in job
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
    assert answer.status_code == 503
    return str(answer.json()["detail"])


async def a_start_that_can_t_be_completed(site: ClusterSite) -> str:
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana"})
    assert answer.status_code == 503
    return str(answer.json()["detail"])


async def a_log(site: ClusterSite) -> str:
    await site.live(session_id="one")
    answer = await site.client.get("/v1/sessions/one/logs")
    assert answer.status_code == 503
    return str(answer.json()["detail"])


async def a_stop(site: ClusterSite) -> str:
    await site.live(session_id="one")
    await site.client.delete("/v1/sessions/one")
    await site.until_over("one")
    return ""


async def a_failure(site: ClusterSite) -> str:
    await site.live(session_id="one")
    await site.fate("one", end="exit-67")
    await site.until_over("one")
    await site.until_recorded("one")
    return ""


async def a_change_of_a_secret_set(site: ClusterSite) -> str:
    variable = {"secretKey": "A_KEY", "secretValue": "1"}
    path = "/v1/organizations/podline/secrets/keys"
    await site.client.put(path, json=variable)
    answer = await site.client.put(path, json=variable)
    assert answer.status_code == 503
    return str(answer.json()["error"])


async def the_end_of_a_secret_set(site: ClusterSite) -> str:
    path = "/v1/organizations/podline/secrets/keys"
    await site.client.put(path, json={"secretKey": "A_KEY", "secretValue": "1"})
    answer = await site.client.delete(path)
    assert answer.status_code == 503
    # It can be deleted later.
    assert (await site.client.get(path)).json()["secrets"] == [{"fieldName": "A_KEY"}]
    return str(answer.json()["error"])


FEATURES: dict[tuple[str, str], Callable[[ClusterSite], Awaitable[str]]] = {
    ("namespaces", "get"): not_ready,
    ("jobs", "create"): not_ready,
    ("jobs", "get"): a_start_under_a_name_that_is_there,
    ("jobs", "list"): not_ready,
    ("jobs", "watch"): not_ready,
    ("jobs", "patch"): a_stop,
    ("jobs", "delete"): a_start_that_can_t_be_completed,
    ("pods", "list"): not_ready,
    ("pods", "watch"): not_ready,
    ("pods", "delete"): a_stop,
    ("pods/log", "get"): a_log,
    ("secrets", "create"): a_start,
    ("secrets", "update"): a_change_of_a_secret_set,
    ("secrets", "delete"): the_end_of_a_secret_set,
    ("configmaps", "list"): not_ready,
    ("configmaps", "watch"): not_ready,
    ("configmaps", "get"): not_ready,
    ("configmaps", "patch"): an_agent,
    ("events", "list"): a_failure,
    ("events", "create"): a_failure,
}
NEEDS_ANOTHER_FAILURE = {("jobs", "delete"): ("secrets", "create")}
"""A launch is taken back only where it can't be completed."""


@pytest.mark.parametrize(("resource", "verb"), ALL, ids=lambda part: part)
async def test_without_a_verb_what_needs_it_fails_and_says_so(
    plane: ControlPlane,
    namespace: str,
    tmp_path: Path,
    resource: str,
    verb: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing = (resource, verb)
    also = [NEEDS_ANOTHER_FAILURE[missing]] if missing in NEEDS_ANOTHER_FAILURE else []
    kubeconfig = await kubeconfig_of_an_account(plane, namespace, missing, *also)
    feature = FEATURES[missing]
    async with serve(
        plane,
        namespace,
        tmp_path,
        kubeconfig=kubeconfig,
        is_ready=feature is not not_ready,
        has_agents=True,
        grace_seconds=1,
    ) as site:
        said = await feature(site)
        advice = f"add `{verb}` on `{resource}` to its Role"
        async with asyncio.timeout(PATIENCE_SECONDS):
            # What no answer carries is logged, some moments after its cause is on record.
            while advice not in said + "".join(map(text_of, caplog.records)):  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.02)  # seen from outside only


async def test_with_the_role_of_a_release_without_secret_sets_the_controller_says_what_to_apply(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = await kubeconfig_of_an_account(plane, namespace, unnamed="podline-secret-sets")
    async with serve(
        plane, namespace, tmp_path, kubeconfig=kubeconfig, is_ready=False, has_agents=True
    ) as site:
        said = await until_not_ready(site.client, because="podline-secret-sets")
        refused = await site.client.put("/v1/agents/clerk", json={"files": {"pcc-deploy.toml": ""}})

    assert "The ConfigMap podline-secret-sets can't be read. The controller may not get configmaps" in said
    assert (refused.status_code, said in refused.json()["detail"]) == (503, True)


def text_of(record: logging.LogRecord) -> str:
    error: Any = getattr(record, "error", "")
    return f" {error}"
