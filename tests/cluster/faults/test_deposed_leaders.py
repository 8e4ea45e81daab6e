"""A slow controller writes after the next one has: the API server refuses it, and no harm is done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.agents.cluster.shared_config_map import SharedConfigMap, is_conflict
from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.endings import ending_for
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod, lean_job, lean_pod
from controller.runtimes.kubernetes.job.records import is_accounted, is_recorded, stop_patch
from podline.contract.reasons import Reason
from testing.cluster.control_plane import ControlPlane
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.faults import Hold, ProxiedRequest, ProxyFault
from testing.cluster.jobs import BareBot
from testing.cluster.site import BASE, ClusterSite, serve

STOP = stop_patch(ending_for(Reason.STOPPED))


@pytest.fixture
async def proxy(plane: ControlPlane) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(plane) as running:
        yield running


@pytest.fixture
async def client(plane: ControlPlane, namespace: str) -> AsyncIterator[NamespaceClient]:
    async with Api(Access(str(plane.kubeconfig))) as api:
        yield NamespaceClient(api, namespace)


def patching(asked: ProxiedRequest) -> bool:
    return asked.method == "PATCH" and asked.resource == "jobs"


async def ended_and_recorded(
    heir: ClusterSite, session_id: str, final_report: dict[str, Any]
) -> dict[str, Any]:
    """End the bot, and wait until both its Job's end and its session's are on the Job."""
    await heir.fate(session_id, end="exit-0", final_report=json.dumps(final_report))
    await heir.until_recorded(session_id)
    job: dict[str, Any] = await heir.plane.until(
        f"{heir.jobs}/{session_id}",
        lambda job: any(each["type"] == "Complete" for each in job["status"].get("conditions", ())),
    )
    return job


@pytest.mark.parametrize("late", ["a stop", "a record"])
async def test_what_a_paused_controller_wrote_before_it_was_paused_changes_no_recorded_end(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy, late: str
) -> None:
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as former:
        session = await former.start(session_id="one")
        pod = await former.pod(session["id"])
        bot = await former.bot("one")
        if late == "a stop":
            await bot.report()
            await former.controller.until_live("one")
            await plane.until(
                f"{former.jobs}/one", lambda job: job["metadata"]["labels"]["podline.dev/phase"] == "live"
            )
        held = ProxyFault(Hold(), patching, count=1)
        proxy.faults.append(held)
        await (bot.report() if late == "a record" else former.client.delete("/v1/sessions/one"))
        await proxy.until(lambda: held.hits == 1)
        proxy.freeze()
        async with serve(plane, namespace, tmp_path) as heir:
            before = await ended_and_recorded(heir, "one", bot.final_report("caller_left"))
        assert isinstance(held.kind, Hold)
        held.kind.let_go.set()
        proxy.thaw()
        await proxy.until(lambda: proxy.counts["PATCH", "jobs", 409] > 0)
        await former.until_over("one")
    after = await former.job("one")
    left = await plane.api("GET", f"{former.pods}/{pod['metadata']['name']}")

    assert before["metadata"]["labels"]["podline.dev/reason"] == "caller_left"
    assert after == before
    assert "deletionTimestamp" not in left["metadata"]


async def test_a_job_is_written_and_deleted_only_as_it_was_seen(
    client: NamespaceClient, plane: ControlPlane, namespace: str
) -> None:
    bot = BareBot(plane, namespace)
    await bot.create()
    await bot.until_running()
    stale = await seen(client, bot.name)
    await plane.annotate(bot.job_path, {"podline.dev/timeline": "{}"})
    await client.delete_job(stale, unless=is_recorded)
    stopped = await client.patch_job(lean_job(stale), STOP, unless=is_accounted)
    assert stopped is not None
    assert stopped.spec.active_deadline_seconds == 0
    await bot.until_over()
    await client.delete_job(stopped)
    await plane.until(bot.jobs, lambda jobs: not jobs["items"])
    await bot.create()
    another = await seen(client, bot.name)

    assert await client.patch_job(stale, STOP, unless=is_accounted) is None
    await client.delete_job(stale)
    kept = await seen(client, bot.name)
    assert (kept.metadata.uid, kept.spec.active_deadline_seconds) == (another.metadata.uid, None)


async def test_a_pod_is_forgotten_only_if_nothing_was_reported_of_it(
    client: NamespaceClient, plane: ControlPlane, namespace: str
) -> None:
    bot = BareBot(plane, namespace)
    await bot.create()
    await bot.until_running()
    stale = await pod_of(client, bot)
    await plane.annotate(bot.pod_path, {"changed": "yes"})
    with pytest.raises(ApiRefused) as changed:
        await client.forget_pod(stale)
    assert changed.value.is_conflict
    await client.forget_pod(await pod_of(client, bot))
    await bot.until_gone()
    await client.delete_pod(stale)


async def test_an_index_that_another_controller_has_written_is_not_overwritten(
    client: NamespaceClient, plane: ControlPlane, namespace: str
) -> None:
    await plane.kubectl("apply", f"--namespace={namespace}", f"--filename={BASE / 'agents.yaml'}")
    former, heir = SharedConfigMap(client, CONFIG_MAP), SharedConfigMap(client, CONFIG_MAP)
    await former.read()
    await former.write({"clerk": "1"})
    await heir.read()
    await heir.claim()
    for late in (former.write({"clerk": "2"}), former.claim()):
        with pytest.raises(ApiRefused) as refused:
            await late
        assert is_conflict(refused.value)
    await heir.write({"clerk": None, "usher": "1"})
    found = await client.find_config_map(CONFIG_MAP)

    assert found is not None
    assert found.data == heir.data == {"usher": "1"}


async def pod_of(client: NamespaceClient, bot: BareBot) -> Pod:
    found = await client.api.read("GET", f"{client.pods}/{bot.pod_name}", Pod)
    return lean_pod(found)


async def seen(client: NamespaceClient, name: str) -> Job:
    job = await client.find_job(name)
    assert job is not None
    return job
