"""A bot that somebody or something else ends: a hand, a drain, a node that dies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.shells import shell_bot
from testing.node.site import NodeSite, own_site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(installed: NodeCluster) -> AsyncIterator[str]:
    second = installed.workers[1].name
    # The controller goes to the first node, since the other one is to die.
    await installed.kubectl("cordon", second)
    async with own_site(installed, "disturbed", shell_bot, {"PODLINE_START_TIMEOUT_SECONDS": "300"}) as site:
        await installed.kubectl("uncordon", second)
        # Whoever takes the budget away, or drains in spite of it, ends calls.
        await site.kubectl("delete", "poddisruptionbudget", "podline-bot")
        yield site.namespace


@pytest.fixture
async def on_the_second_node(installed: NodeCluster) -> AsyncIterator[NodeCluster]:
    """New pods go to the second node, which is up again afterwards."""
    first, second = installed.workers
    await installed.kubectl("cordon", first.name)
    yield installed
    await installed.start_node(second)
    await installed.kubectl("uncordon", first.name)


async def test_an_eviction_is_named_with_what_the_cluster_says(site: NodeSite) -> None:
    await site.start(session_id="evicted")
    name = (await site.pod("evicted"))["metadata"]["name"]

    assert await site.cluster.evict(site.namespace, name) is None
    session = await site.until_over("evicted")

    assert session["reason"] == "evicted"
    assert "Eviction" in session["message"]


async def test_a_drain_ends_a_bot_as_evicted(site: NodeSite, on_the_second_node: NodeCluster) -> None:
    second = on_the_second_node.workers[1].name
    await site.start(session_id="drained")
    await site.pod("drained")

    await site.cluster.kubectl(
        "drain", second, "--pod-selector=podline.dev/session=drained", "--delete-emptydir-data", "--force"
    )

    assert (await site.until_over("drained"))["reason"] == "evicted"


async def test_a_pod_that_is_deleted_by_hand_has_vanished(site: NodeSite) -> None:
    await site.start(session_id="deleted")
    pod = await site.pod("deleted")

    await site.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")

    assert (await site.until_over("deleted"))["reason"] == "vanished"


async def test_a_job_that_is_deleted_by_hand_has_vanished(site: NodeSite) -> None:
    await site.start(session_id="jobless")
    await site.pod("jobless")

    await site.kubectl("delete", "job", "jobless", "--wait=false")

    assert (await site.until_over("jobless"))["reason"] == "vanished"


async def test_a_node_that_dies_and_is_removed_is_named(
    site: NodeSite, on_the_second_node: NodeCluster
) -> None:
    second = on_the_second_node.workers[1]
    await site.start(session_id="lost")
    await site.pod("lost")

    await site.cluster.stop_node(second)
    await site.cluster.kubectl("delete", "node", second.name)
    session = await site.until_over("lost")

    assert session["reason"] == "node_lost"


async def test_a_bot_on_a_dead_node_can_be_stopped(site: NodeSite, on_the_second_node: NodeCluster) -> None:
    await site.start(session_id="stranded")
    await site.pod("stranded")

    await site.cluster.stop_node(on_the_second_node.workers[1])
    await site.stop("stranded")

    assert (await site.until_over("stranded"))["reason"] == "stopped"
