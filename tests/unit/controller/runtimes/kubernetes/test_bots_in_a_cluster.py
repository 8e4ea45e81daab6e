"""A bot in a cluster from its launch to its end, as the runtime tells of it."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.endings import decide_ending, ending_for
from controller.core.errors import RuntimeUnavailable, SessionConflict, UnknownOutcome
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiServer, How, serve_api
from testing.fakes.kubernetes.cluster import Cluster, has_ended
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import following
from tests.unit.controller.runtimes.kubernetes.shapes import word

STOP = ending_for(Reason.STOPPED)
ALWAYS = 10**6


@at_once_with_sockets
async def test_a_bot_that_leaves_by_itself_is_told_once_with_its_final_report() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        await followed.until(lambda: followed.of("launch-1", "scheduled"))
        cluster.end(pod, 0, word("caller_left"))
        seen = await followed.exit()
        await asyncio.sleep(1000)

        assert decide_ending(None, seen).reason is Reason.CALLER_LEFT
        assert len(followed.of("launch-1", "exit")) == 1
        assert followed.of("launch-1", "found") == []


@at_once_with_sockets
async def test_a_bot_that_failed_is_told_with_warnings_and_the_end_of_its_log_without_its_secrets() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        server.logs[pod] = "starting\n\nrefused: a-launch-token\n"
        event = {
            "metadata": {"name": f"{pod}.1"},
            "involvedObject": {"name": pod},
            "type": "Warning",
            "reason": "BackOff",
            "message": "again",
        }
        server.objects.create("events", "podline", event)
        cluster.end(pod, 67)
        seen = await followed.exit()

        assert decide_ending(None, seen).reason is Reason.MODEL_REFUSED
        assert seen.diagnostics is not None
        assert seen.diagnostics.log == ("starting", "refused: ***")
        assert seen.diagnostics.events == ("BackOff: again",)


@at_once_with_sockets
async def test_an_end_is_told_also_while_warnings_and_log_can_not_be_read() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        server.misbehave("hang", path="/events", times=ALWAYS)
        server.misbehave("hang", path="/log", times=ALWAYS)
        cluster.end(pod, 67)

        assert (await followed.exit()).exit_code == 67


@at_once_with_sockets
async def test_a_pod_that_was_deleted_is_no_end_while_its_job_may_make_another() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        await followed.until(lambda: followed.of("launch-1", "scheduled"))
        server.objects.delete("pods", "podline", pod)
        await asyncio.sleep(60)
        assert followed.of("launch-1", "exit") == []

        cluster.end_job("cart-7", "Failed", "BackoffLimitExceeded")
        assert decide_ending(None, await followed.exit()).reason is Reason.VANISHED


@at_once_with_sockets
async def test_a_job_that_somebody_deleted_ends_its_session_when_the_pod_is_gone() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        await followed.until(lambda: followed.of("launch-1", "scheduled"))
        server.objects.delete("jobs", "podline", "cart-7")
        await asyncio.sleep(60)
        assert followed.of("launch-1", "exit") == []

        cluster.collect()
        assert decide_ending(None, await followed.exit()).message == (
            "The Job was deleted by someone else. Start another session."
        )


# --- launches of unknown outcome ---


@pytest.mark.parametrize("how", ["reset_before", "reset_after", "late"])
@at_once_with_sockets
async def test_a_launch_nobody_knows_of_can_be_stopped_and_leaves_nothing_that_runs(how: How) -> None:
    async with serve_api() as server, following(server) as followed:
        Cluster(server.objects).act_alone()
        fault = server.misbehave(how, method="POST", path="/jobs", times=ALWAYS)
        blind = server.misbehave("refuse", path="/cart-7", times=ALWAYS, status=503)
        with pytest.raises(UnknownOutcome):
            await followed.runtime.launch(made.launch())
        fault.times = blind.times = 0
        await followed.runtime.stop(made.session(), STOP)
        await followed.exit()
        await asyncio.sleep(60)

        left = server.objects.all("jobs", "podline")
        assert all(has_ended(job) for job in left)


@at_once_with_sockets
async def test_no_end_is_told_of_a_bot_that_nobody_can_look_for() -> None:
    """The watches are half open, and our credentials end as the Secret is made: the bot runs."""
    async with serve_api() as server:
        for kind in ("/jobs", "/pods"):
            server.misbehave("silent", watch=True, path=kind)
        async with following(server) as followed:
            server.misbehave("reset_after", method="POST", path="/secrets")
            server.objects.reactions.append(
                lambda change: revoke(server) if change.kind == "secrets" else None
            )
            with pytest.raises(UnknownOutcome):
                await followed.runtime.launch(made.launch())
            await followed.runtime.stop(made.session(), STOP)
            await asyncio.sleep(10)

            assert server.objects.all("secrets", "podline") != []
            assert followed.of("launch-1", "exit") == []


def revoke(server: ApiServer) -> None:
    server.tokens = set()


@at_once_with_sockets
async def test_a_job_that_shows_up_after_its_launch_was_taken_back_is_cleared_away() -> None:
    """Its first request, given up for lost, takes effect when the second one's Job is gone again."""
    async with serve_api() as server, following(server) as followed:
        server.misbehave("late", method="POST", path="/jobs")
        server.misbehave("refuse", method="POST", path="/secrets", status=403, message="no")
        with pytest.raises(RuntimeUnavailable):
            await followed.runtime.launch(made.launch())
        await asyncio.sleep(60)

        assert server.objects.all("jobs", "podline") == []
        assert followed.observations == []


@pytest.mark.parametrize("refusal", [RuntimeUnavailable, SessionConflict])
@at_once_with_sockets
async def test_a_launch_that_was_refused_is_not_told_of(refusal: type[Exception]) -> None:
    async with serve_api() as server, following(server) as followed:
        if refusal is SessionConflict:
            server.objects.create("jobs", "podline", {"metadata": {"name": "cart-7"}})
        else:
            server.misbehave("refuse", path="/secrets", status=422, message="no")
        with pytest.raises(refusal):
            await followed.runtime.launch(made.launch())
        await asyncio.sleep(1000)

        assert followed.observations == []
