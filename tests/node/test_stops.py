"""A session that is stopped, in each state that a real pod can be in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.shells import shell_bot
from testing.node.site import NodeSite, own_site, until_reached, until_rolled_out


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(installed: NodeCluster) -> AsyncIterator[str]:
    async with own_site(installed, "stops", shell_bot) as own:
        yield own.namespace


@pytest.fixture
async def cordoned(installed: NodeCluster) -> AsyncIterator[None]:
    """No node takes a pod."""
    names = [worker.name for worker in installed.workers]
    await installed.kubectl("cordon", *names)
    yield
    await installed.kubectl("uncordon", *names)


@pytest.fixture
async def without_pods(installed: NodeCluster) -> AsyncIterator[None]:
    """Jobs stay without pods until `start_controller_manager`."""
    await installed.stop_controller_manager()
    yield
    await installed.start_controller_manager()


@pytest.mark.parametrize("session_id", ["obedient", "deaf"])
async def test_a_bot_that_runs_is_ended_whether_it_listens_or_not(site: NodeSite, session_id: str) -> None:
    await site.start(session_id=session_id)
    pod = await site.pod(session_id)
    assert site.processes(pod)

    answer = await site.stop(session_id)
    session = await site.until_over(session_id)

    assert answer.status_code == 202
    assert session["reason"] == "stopped"
    assert not [each for each in await site.pods(session_id) if each["status"]["phase"] == "Running"]


@pytest.mark.usefixtures("cordoned")
async def test_a_bot_that_no_node_takes_is_never_started(site: NodeSite) -> None:
    await site.start(session_id="pending")
    await site.pod("pending", "Pending")

    await site.stop("pending")
    session = await site.until_over("pending")

    assert session["reason"] == "stopped"
    assert session["timeline"]["scheduled"] is None


@pytest.mark.usefixtures("without_pods")
async def test_a_bot_that_has_no_pod_yet_never_gets_one(site: NodeSite) -> None:
    await site.start(session_id="early")

    await site.stop("early")
    await site.cluster.start_controller_manager()
    session = await site.until_over("early")

    assert session["reason"] == "stopped"
    assert await site.pods("early") == []


async def test_the_jobs_own_deadline_ends_a_bot_while_no_controller_is_there(installed: NodeCluster) -> None:
    settings = {"PODLINE_START_TIMEOUT_SECONDS": "5", "PODLINE_KEEP_ENDED_SECONDS": "20"}
    async with own_site(installed, "deadline", shell_bot, settings) as site:
        await site.start(session_id="overdue", max_duration_seconds=1)
        await site.pod("overdue")
        await site.kubectl("scale", "deployment/podline", "--replicas=0")
        await site.cluster.until(
            "/apis/batch/v1/namespaces/deadline/jobs/overdue",
            lambda job: any(each["type"] == "Failed" for each in job["status"].get("conditions", [])),
        )

        await site.kubectl("scale", "deployment/podline", "--replicas=1")
        await until_rolled_out(installed, site.namespace)
        await until_reached(site.client)
        session = await site.until_over("overdue")

    assert session["reason"] == "max_duration"
