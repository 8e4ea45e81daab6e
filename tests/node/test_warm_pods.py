"""Pods of warm bots on real nodes: what drains and kernels may do to them, and what calls then get."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite, open_site
from testing.node.warm import AGENT, is_running, until_ready, waiting_pods, warm_bots

KEPT = 2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _pool(installed: NodeCluster, namespace: str) -> AsyncIterator[None]:
    async with open_site(installed, namespace) as site, warm_bots(site, KEPT):
        yield


@pytest.fixture
async def shop(site: NodeSite, _pool: None) -> NodeSite:
    """The site, once all warm bots wait."""
    await until_ready(site, KEPT)
    return site


async def test_a_drain_may_evict_a_bot_that_waits_and_another_takes_its_place(shop: NodeSite) -> None:
    evicted, other = await waiting_pods(shop, KEPT)

    assert await shop.cluster.evict(shop.namespace, evicted["metadata"]["name"]) is None

    await shop.cluster.until(
        f"/api/v1/namespaces/{shop.namespace}/pods?fieldSelector=metadata.name={evicted['metadata']['name']}",
        lambda pods: not pods["items"],
    )
    names = {pod["metadata"]["name"] for pod in await waiting_pods(shop, KEPT)}
    assert evicted["metadata"]["name"] not in names
    assert other["metadata"]["name"] in names


async def test_no_drain_evicts_a_bot_that_a_call_has_taken(shop: NodeSite) -> None:
    session = await shop.start(agent=AGENT)
    await shop.until_live(session["id"])
    pod = await shop.pod(session["id"])

    refusal = await shop.cluster.evict(shop.namespace, pod["metadata"]["name"])

    assert refusal is not None
    assert "disruption budget" in refusal.text
    await shop.stop(session["id"])
    assert (await shop.until_over(session["id"]))["cold_start"] is False


async def test_calls_that_come_while_a_waiting_bot_is_killed_have_one_bot_each(shop: NodeSite) -> None:
    killed, _ = await waiting_pods(shop, KEPT)
    for pid in shop.processes(killed):
        os.kill(pid, signal.SIGKILL)

    sessions = [await shop.start(agent=AGENT, user_id=f"caller-{number}") for number in range(KEPT)]

    for session in sessions:
        await shop.until_live(session["id"])
    pods = [list(filter(is_running, await shop.pods(session["id"]))) for session in sessions]
    assert [len(each) for each in pods] == [1] * KEPT
    names = {pod["metadata"]["name"] for [pod] in pods}
    assert len(names) == KEPT
    assert killed["metadata"]["name"] not in names
    for session in sessions:
        await shop.stop(session["id"])
        await shop.until_over(session["id"])
