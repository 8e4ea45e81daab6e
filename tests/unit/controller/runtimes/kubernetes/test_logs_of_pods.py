"""A bot's log is its pod's, as long as there is one."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.endings import ending_for
from controller.core.errors import RuntimeUnavailable
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following
from tests.unit.controller.runtimes.kubernetes.shapes import word


async def read(followed: Followed, *, follow: bool = False) -> bytes:
    return b"".join([piece async for piece in await followed.runtime.logs("launch-1", follow=follow)])


@at_once_with_sockets
async def test_the_log_of_nothing_is_empty() -> None:
    async with serve_api() as server, following(server) as followed:
        assert await read(followed, follow=True) == b""
        await followed.runtime.launch(made.launch())
        assert await read(followed) == b""


@at_once_with_sockets
async def test_a_log_that_is_followed_begins_with_its_container() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        reading = asyncio.create_task(read(followed, follow=True))
        pod = cluster.make_pod("cart-7")
        cluster.schedule(pod)
        await asyncio.sleep(5)
        assert not reading.done()
        server.logs[pod] = "hello\n"
        cluster.set_state(pod, {"running": {}}, phase="Running")

        assert await reading == b"hello\n"


@at_once_with_sockets
async def test_a_log_that_is_followed_ends_with_a_bot_that_never_began() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        reading = asyncio.create_task(read(followed, follow=True))
        cluster.make_pod("cart-7")
        await asyncio.sleep(5)
        server.objects.delete("pods", "podline", "cart-7-x2x9k")
        cluster.end_job("cart-7", "Failed", "DeadlineExceeded")

        assert await reading == b""


@at_once_with_sockets
async def test_a_log_outlives_its_bot_while_its_pod_is_there() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        server.logs[pod] = "hello\n"
        cluster.end(pod, 0, word("caller_left"))
        await followed.exit()
        followed.runtime.record(made.session().ended(ending_for(Reason.CALLER_LEFT), made.NOW))
        await asyncio.sleep(5)

        assert await read(followed) == b"hello\n"
        server.objects.delete("pods", "podline", pod)
        await asyncio.sleep(5)
        assert await read(followed) == b""


@pytest.mark.parametrize("status", [403, 500])
@at_once_with_sockets
async def test_a_log_that_can_not_be_read_is_an_error(status: int) -> None:
    async with serve_api() as server, following(server) as followed:
        await followed.runtime.launch(made.launch())
        Cluster(server.objects).run("cart-7")
        await followed.until(lambda: followed.of("launch-1", "scheduled"))
        server.misbehave("refuse", path="/log", status=status)

        with pytest.raises(RuntimeUnavailable, match=r"^The log can't be read\. "):
            await read(followed)
