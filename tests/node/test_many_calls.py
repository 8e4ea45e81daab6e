"""Many callers in LiveKit's rooms, each with a bot in a pod of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.callers.errands import ERRANDS, runs_errand
from testing.fakes.controllers.process_table import open_files
from testing.node.node_cluster import NodeCluster
from testing.node.rooms import meeting_there, rooms_left
from testing.node.site import OVERLAY_NAMESPACE, NodeSite, own_site

CALLS = int(os.environ.get("PODLINE_ROOM_CALLS", "24"))
AT_ONCE = 4
PATIENCE_SECONDS = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(installed: NodeCluster) -> AsyncIterator[str]:
    """A site of our own. At its end no Job, pod, Secret or process of any session may be left."""
    async with own_site(installed, "rooms", settings=await meeting_there(installed)) as own:
        yield own.namespace
    assert await rooms_left(installed) == []


async def test_four_callers_at_once_hear_nothing_of_each_other(site: NodeSite, voice: Voice) -> None:
    async def call(user_id: str) -> None:
        async with calling(site.url, voice, user_id=user_id, key=site.key) as (caller, session_id):
            assert session_id is not None
            await runs_errand(caller, ERRANDS[user_id])
        session = await site.until_over(session_id)
        assert (session["user_id"], session["reason"]) == (user_id, "caller_left")

    async with asyncio.TaskGroup() as tasks:
        for user_id in ERRANDS:
            tasks.create_task(call(user_id))

    store = await address_of(site.cluster, "podline-sandbox")
    async with httpx.AsyncClient(base_url=f"http://{store}:8080") as client:
        for user_id, errand in ERRANDS.items():
            kept = (await client.get("/sandbox/saved", params={"userId": user_id})).json()
            assert [product["number"] for product in kept["products"]] == [errand.number]


async def test_of_many_calls_nothing_is_left(site: NodeSite, voice: Voice) -> None:
    """In groups of four, each until the greeting's first sound."""
    await group_of_calls(site, voice, range(AT_ONCE))
    at_first = await controller_files(site)
    for begin in range(AT_ONCE, CALLS, AT_ONCE):
        await group_of_calls(site, voice, range(begin, min(begin + AT_ONCE, CALLS)))

    await site.until_no_bot_is_left()
    assert await rooms_left(site.cluster) == []
    async with asyncio.timeout(PATIENCE_SECONDS):
        # A connection that is kept for the next request is let go sooner.
        while await controller_files(site) > at_first:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.5)


async def group_of_calls(site: NodeSite, voice: Voice, numbers: range) -> None:
    async def call(number: int) -> None:
        async with calling(site.url, voice, user_id=f"caller-{number}", key=site.key) as (caller, session_id):
            assert session_id is not None
            await caller.hears_bot(within=PATIENCE_SECONDS)
        assert (await site.until_over(session_id))["reason"] == "caller_left"

    async with asyncio.TaskGroup() as tasks:
        for number in numbers:
            tasks.create_task(call(number))


async def controller_files(site: NodeSite) -> int:
    """File descriptors that the controller's processes have open."""
    [pod] = (await site.get("pods", "-lapp.kubernetes.io/name=podline-controller"))["items"]
    return sum(open_files(pid) for pid in site.processes(pod))


async def address_of(cluster: NodeCluster, service: str) -> str:
    return await cluster.kubectl(
        f"--namespace={OVERLAY_NAMESPACE}", "get", "service", service, "--output=jsonpath={.spec.clusterIP}"
    )
