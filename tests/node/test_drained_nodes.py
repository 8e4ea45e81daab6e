"""A node is drained, as before its kernel is updated, while somebody speaks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sandbox.voice import Voice
from testing.node.moving import CONTROLLER, LIVEKIT, SANDBOX, draining, move_pods, only, ready_pod, until_back
from testing.node.site import NodeSite
from testing.node.talking import Call, talking

HERE = "node-0"
THERE = "node-1"
REFUSED = "would violate the pod's disruption budget"


async def test_a_call_goes_on_when_the_controllers_node_is_drained(site: NodeSite, voice: Voice) -> None:
    await move_pods(site, {CONTROLLER: HERE, LIVEKIT: THERE, SANDBOX: THERE})
    controller = await ready_pod(site.cluster, CONTROLLER)
    async with talking_on(site, voice, THERE) as call, draining(site.cluster, HERE) as drain:
        assert await drain.ends() == 0, drain.said
        moved = await until_back(site, controller)
        await call.is_found_again()
        await call.asks()

    await call.is_on_record()
    assert (call.pod["spec"]["nodeName"], moved["spec"]["nodeName"]) == (THERE, THERE)


async def test_a_drain_waits_until_the_nodes_last_call_has_ended(site: NodeSite, voice: Voice) -> None:
    await move_pods(site, {CONTROLLER: THERE, LIVEKIT: THERE, SANDBOX: THERE})
    async with talking_on(site, voice, HERE) as call, draining(site.cluster, HERE) as drain:
        await drain.says(REFUSED)
        await call.asks()
        assert drain.is_waiting
        await call.caller.close()
        assert await drain.ends() == 0, drain.said

    await call.is_on_record()
    assert call.pod["spec"]["nodeName"] == HERE


@contextlib.asynccontextmanager
async def talking_on(site: NodeSite, voice: Voice, node: str) -> AsyncIterator[Call]:
    """A call whose bot runs on this node."""
    async with contextlib.AsyncExitStack() as stack:
        async with only(site.cluster, node):
            call = await stack.enter_async_context(talking(site, voice))
        yield call
