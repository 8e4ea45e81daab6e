"""A bot that is asked to leave is gone, sooner or later, and its Job can make no other."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.endings import decide_ending, ending_for
from controller.core.session import Ending
from controller.runtimes.kubernetes import names
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following, job_of, label

STOP = ending_for(Reason.STOPPED)
ALWAYS = 10**6


async def stopped(server: ApiServer, followed: Followed, intent: Ending = STOP) -> Reason:
    await followed.runtime.stop(made.session(), intent)
    async with asyncio.timeout(600):
        ending = decide_ending(intent, await followed.exit())
    assert job_of(server)["spec"]["activeDeadlineSeconds"] == 0
    return ending.reason


@pytest.mark.parametrize("state", ["no pod", "waits for a node", "waits for its image", "runs"])
@at_once_with_sockets
async def test_a_bot_is_stopped_in_every_state(state: str) -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        if state != "no pod":
            pod = cluster.make_pod("cart-7")
            if state != "waits for a node":
                cluster.schedule(pod)
            if state == "runs":
                cluster.set_state(pod, {"running": {}}, phase="Running")

        assert await stopped(server, followed) is Reason.STOPPED
        assert label(server, names.PHASE_LABEL) == "stopping"


@at_once_with_sockets
async def test_a_start_that_took_too_long_is_told_by_what_held_it_up() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        pod = cluster.make_pod("cart-7")
        cluster.schedule(pod)
        cluster.set_state(pod, {"waiting": {"reason": "ErrImagePull", "message": "not found"}})

        assert await stopped(server, followed, ending_for(Reason.START_TIMEOUT)) is Reason.IMAGE_PULL


@at_once_with_sockets
async def test_a_stop_outlasts_a_server_that_is_away() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        fault = server.misbehave("reset_before", times=ALWAYS)
        await followed.runtime.stop(made.session(), STOP)
        await asyncio.sleep(300)
        assert followed.of("launch-1", "exit") == []

        fault.times = 0
        assert await stopped(server, followed) is Reason.STOPPED


@at_once_with_sockets
async def test_a_stop_outlasts_credentials_that_are_refused_for_a_while() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        server.tokens = set()
        await followed.runtime.stop(made.session(), STOP)
        await asyncio.sleep(100)
        assert followed.of("launch-1", "exit") == []

        server.tokens = None
        assert await stopped(server, followed) is Reason.STOPPED


@at_once_with_sockets
async def test_a_stop_that_collides_with_the_write_of_another_is_written_again() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        server.misbehave("refuse", method="PATCH", status=409, reason="Conflict", message="it was modified")

        assert await stopped(server, followed) is Reason.STOPPED


@at_once_with_sockets
async def test_stopping_again_stops_once() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        await asyncio.sleep(1)
        for _ in range(3):
            await followed.runtime.stop(made.session(), STOP)
        await asyncio.sleep(5)

        assert [each.method for each in server.asked].count("PATCH") == 1


@at_once_with_sockets
async def test_a_pod_whose_node_is_dead_is_forgotten_by_force() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        await followed.runtime.stop(made.session(), STOP)
        # 30 s of grace, 5 s of farewell, 30 s for the node: nothing is forced before that.
        await asyncio.sleep(60)
        assert server.objects.find("pods", "podline", pod) is not None
        assert followed.of("launch-1", "exit") == []

        assert (await followed.exit()).exit_code is None
        assert server.objects.find("pods", "podline", pod) is None


@at_once_with_sockets
async def test_kubectl_can_stop_a_session_and_say_why() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        reason = {"metadata": {"annotations": {names.STOP_REASON: "stopped"}}}
        server.objects.patch("jobs", "podline", "cart-7", reason)
        await followed.until(lambda: followed.of("launch-1", "intent"))
        await followed.exit()

        assert followed.of("launch-1", "intent") == [STOP]


@at_once_with_sockets
async def test_a_job_that_is_suspended_is_ended_for_good() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        server.objects.patch("jobs", "podline", "cart-7", {"spec": {"suspend": True}})
        await followed.exit()

        assert job_of(server)["spec"]["suspend"] is False
        assert followed.of("launch-1", "intent") == [ending_for(Reason.VANISHED)]


@at_once_with_sockets
async def test_a_bot_whose_end_is_on_record_is_not_ended_once_more() -> None:
    """The request to end its pod hangs; meanwhile it has left, and all that was known of it is let go."""
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        server.misbehave("hang", method="DELETE")
        assert await stopped(server, followed) is Reason.STOPPED
        followed.runtime.record(made.session().ended(STOP, made.NOW))
        await asyncio.sleep(600)

        assert [each.method for each in server.asked].count("DELETE") == 1


@at_once_with_sockets
async def test_a_suspended_job_whose_pod_has_ended_is_stopped_however_often_that_fails() -> None:
    """It would make another pod when it goes on."""
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        server.misbehave("refuse", method="PATCH", status=500, times=5)
        server.objects.patch("jobs", "podline", "cart-7", {"spec": {"suspend": True}})
        cluster.set_state(pod, {"terminated": {"exitCode": 0, "reason": "Completed"}}, phase="Succeeded")
        ending = decide_ending(ending_for(Reason.VANISHED), await followed.exit())

        assert ending.reason is Reason.VANISHED
        assert job_of(server)["spec"]["activeDeadlineSeconds"] == 0
        assert job_of(server)["spec"]["suspend"] is False
