"""A controller that comes back finds every session by its Job, once, and tells of each end once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from controller.core.endings import decide_ending, ending_for
from controller.core.errors import RuntimeUnavailable
from controller.core.runtime import Observation
from controller.core.session import Ending, Session
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.manifests import session_job
from controller.runtimes.kubernetes.job.records import progress_patch, read_session, stop_patch
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import (
    Followed,
    following,
    job_of,
    running,
    standing_by,
)
from tests.unit.controller.runtimes.kubernetes.shapes import word

TEMPLATE = made.template()
ALWAYS = 10**6
LEFT = Ending(reason=Reason.CALLER_LEFT, what_happened="The caller left.")


def session_of(session_id: str, **fields: Any) -> Session:
    return made.session(id=session_id, launch_id=f"launch-of-{session_id}", **fields)


def leave_job(server: ApiServer, session: Session) -> Cluster:
    """What an earlier controller has left in the cluster of a session in its start."""
    manifest = session_job(TEMPLATE, made.launch(session=session), grace_seconds=30, keep_ended_seconds=3600)
    server.objects.create("jobs", "podline", manifest)
    return Cluster(server.objects)


def recorded(server: ApiServer, session: Session) -> None:
    server.objects.patch("jobs", "podline", session.id, progress_patch(session))


async def settled(followed: Followed) -> None:
    await asyncio.sleep(10)
    assert followed.runtime.not_ready_reason() is None


@at_once_with_sockets
async def test_a_standby_whose_watches_are_silent_knows_every_session_once_it_leads() -> None:
    """Otherwise it would tell the bots that their calls are over."""
    async with serve_api() as server:
        server.misbehave("silent", watch=True, times=2)
        async with standing_by(server) as followed:
            leave_job(server, session_of("late")).run("late")
            async with running(followed.follow()) as followed.following:
                await followed.until(lambda: followed.runtime.not_ready_reason() is None)

                assert followed.of("launch-of-late", "found")
                assert len(server.lists("jobs")) == 1


@at_once_with_sockets
async def test_a_pod_on_a_dead_node_whose_job_is_gone_is_ended_by_a_leader_that_learns_of_it_late() -> None:
    """A pod without a Job looks like no pod at all to one that knows its pods later than its Jobs."""
    async with serve_api() as server:
        session = session_of("hidden").marked(joined=made.NOW)
        pod = leave_job(server, session).run("hidden")
        recorded(server, session)
        server.objects.patch("jobs", "podline", "hidden", stop_patch(LEFT))
        async with standing_by(server) as followed:
            server.objects.delete("jobs", "podline", "hidden")
            server.misbehave("slow", path="/pods", watch=True, seconds=20)
            async with running(followed.follow()) as followed.following:
                await followed.until(lambda: followed.of("launch-of-hidden", "exit"))

                assert server.objects.find("pods", "podline", pod) is None


@at_once_with_sockets
async def test_of_what_was_gone_before_it_led_a_leader_finds_calls_and_no_launch_that_was_taken_back() -> (
    None
):
    async with serve_api() as server, standing_by(server) as followed:
        for session in (session_of("call").marked(joined=made.NOW), session_of("start")):
            leave_job(server, session)
            if session.phase is Phase.LIVE:
                recorded(server, session)
        await followed.until(lambda: len(server.objects.all("jobs", "podline")) == 2)
        server.objects.delete("jobs", "podline", "start")
        server.objects.delete("jobs", "podline", "call")
        async with running(followed.follow()) as followed.following:
            await followed.until(lambda: followed.of("launch-of-call", "exit"))

            assert not followed.of("launch-of-start", "found")


@at_once_with_sockets
async def test_a_session_that_the_watches_still_hide_is_found_by_its_own_bot() -> None:
    async with serve_api() as server, following(server) as followed:
        server.misbehave("silent", watch=True, times=ALWAYS)
        await followed.until(lambda: len(server.watches("jobs")) > 1 and len(server.watches("pods")) > 1)
        leave_job(server, session_of("hidden"))
        await followed.runtime.look_for("launch-of-hidden")
        await followed.runtime.look_for("launch-of-nobody")

        assert [each.id for each in followed.of("launch-of-hidden", "found")] == ["hidden"]
        assert not followed.of("launch-of-nobody", "found")


@at_once_with_sockets
async def test_a_bot_is_told_to_come_back_while_its_job_can_not_be_looked_for() -> None:
    async with serve_api() as server, following(server) as followed:
        server.misbehave("refuse", path="/jobs", status=500)
        with pytest.raises(RuntimeUnavailable):
            await followed.runtime.look_for("launch-of-nobody")


@at_once_with_sockets
async def test_each_session_is_found_once_and_as_it_was() -> None:
    async with serve_api() as server:
        starting, live = session_of("starting"), session_of("live").marked(joined=made.NOW)
        for session in (starting, live):
            leave_job(server, session).run(session.id)
        recorded(server, live)
        async with following(server) as followed:
            await settled(followed)

            for session in (starting, live):
                assert followed.of(session.launch_id, "found") == [session]
                assert followed.of(session.launch_id, "exit") == []


@at_once_with_sockets
async def test_many_sessions_are_all_found() -> None:
    async with serve_api() as server:
        for number in range(620):
            leave_job(server, session_of(f"call-{number}"))
        async with following(server) as followed:
            assert len({each.launch_id for each in followed.observations if each.found}) == 620
            assert len(followed.observations) == 620


@at_once_with_sockets
async def test_nothing_is_ready_before_all_are_found() -> None:
    async with serve_api() as server:
        server.misbehave("refuse", path="/pods", times=3, status=503)
        leave_job(server, session_of("cart-7"))
        async with following(server, until_ready=False) as followed:
            assert followed.runtime.not_ready_reason() is not None
            await followed.until(lambda: followed.runtime.not_ready_reason() is None)

            assert followed.of("launch-of-cart-7", "found")


@at_once_with_sockets
async def test_a_session_that_was_accounted_for_does_not_end_again() -> None:
    async with serve_api() as server:
        over = session_of("cart-7").used(Usage(turns=3)).ended(LEFT, made.NOW)
        cluster = leave_job(server, over)
        cluster.end(cluster.run("cart-7"), 0, word("caller_left"))
        recorded(server, over)
        async with following(server) as followed:
            await settled(followed)

            assert followed.observations == [Observation(launch_id=over.launch_id, found=over)]


@at_once_with_sockets
async def test_a_session_that_ended_while_nobody_looked_is_accounted_for() -> None:
    async with serve_api() as server:
        session = session_of("cart-7").marked(joined=made.NOW)
        cluster = leave_job(server, session)
        recorded(server, session)
        cluster.end(cluster.run("cart-7"), 0, word("caller_left"))
        async with following(server) as followed:
            seen = await followed.exit(session.launch_id)

            assert followed.of(session.launch_id, "found") == [session]
            assert decide_ending(None, seen).reason is Reason.CALLER_LEFT
            assert seen.final_report is not None


@at_once_with_sockets
async def test_a_pod_that_went_while_nobody_looked_leaves_its_exit_code_on_the_job() -> None:
    async with serve_api() as server:
        session = session_of("cart-7")
        cluster = leave_job(server, session)
        pod = cluster.run("cart-7")
        cluster.end(pod, 67)
        server.objects.delete("pods", "podline", pod)
        async with following(server) as followed:
            seen = await followed.exit(session.launch_id)

            assert decide_ending(None, seen).reason is Reason.MODEL_REFUSED


@at_once_with_sockets
async def test_a_stop_that_was_begun_is_finished() -> None:
    async with serve_api() as server:
        session = session_of("cart-7")
        cluster = leave_job(server, session)
        cluster.act_alone()
        cluster.run("cart-7")
        # Its annotation was written; the controller died before it asked the pod to go.
        reason = {
            "metadata": {"annotations": {names.STOP_REASON: "idle", names.STOP_MESSAGE: "Both were silent."}}
        }
        server.objects.patch("jobs", "podline", "cart-7", reason)
        async with following(server) as followed:
            await followed.exit(session.launch_id)

            with_it, when_stopped = followed.of(session.launch_id, "intent")
            assert with_it == when_stopped == Ending(reason=Reason.IDLE, what_happened="Both were silent.")


@at_once_with_sockets
async def test_a_launch_that_was_cut_between_its_two_writes_is_finished() -> None:
    async with serve_api() as server:
        session = session_of("cart-7")
        leave_job(server, session)
        async with following(server) as followed:
            await followed.runtime.launch(made.launch(session=session))

            [secret] = server.objects.all("secrets", "podline")
            assert secret["metadata"]["ownerReferences"][0]["uid"] == job_of(server)["metadata"]["uid"]


@at_once_with_sockets
async def test_a_launch_whose_token_is_lost_can_be_stopped() -> None:
    async with serve_api() as server:
        session = session_of("cart-7", room_is_brought=True)
        leave_job(server, session).act_alone()
        async with following(server) as followed:
            with pytest.raises(RuntimeUnavailable):
                await followed.runtime.launch(made.launch(session=session, secrets=None))
            await followed.runtime.stop(session, ending_for(Reason.LAUNCH_FAILED))
            await followed.exit(session.launch_id)

            assert job_of(server)["spec"]["activeDeadlineSeconds"] == 0


@pytest.mark.parametrize(
    "manifest",
    [
        {"metadata": {"labels": {names.LAUNCH_ID: "copied"}}},
        {"metadata": {"labels": {names.LAUNCH_ID: ""}}},
        {"metadata": {"labels": {names.LAUNCH_ID: "x"}, "annotations": {names.REQUEST: "?"}}},
        {
            "metadata": {
                "labels": {names.LAUNCH_ID: "x"},
                "annotations": {
                    names.SESSION_ID: "x",
                    names.USER_ID: "x",
                    # A moment of no zone can't be compared with any other.
                    names.REQUEST: json.dumps(
                        {
                            "hash": "",
                            "room_provider": "",
                            "max_duration_seconds": 1,
                            "accepted": "2026-01-01T00:00:00",
                        }
                    ),
                },
            }
        },
    ],
)
@at_once_with_sockets
async def test_a_job_that_is_only_labelled_like_ours_is_left_alone(manifest: Thing) -> None:
    async with serve_api() as server:
        theirs = {**manifest, "metadata": {**manifest["metadata"], "name": "theirs"}, "spec": {}}
        before = server.objects.create("jobs", "podline", theirs)
        session = session_of("cart-7")
        leave_job(server, session)
        async with following(server) as followed:
            await settled(followed)

            found = [each.found for each in followed.observations if each.found is not None]
            assert session in found
            assert all(each.timeline.accepted.tzinfo is not None for each in found)
            assert job_of(server, "theirs") == before


# --- records ---


@at_once_with_sockets
async def test_what_is_recorded_is_found_by_the_next_controller() -> None:
    async with serve_api() as server:
        live = made.session().marked(joined=made.NOW)
        over = live.used(Usage(turns=5)).ended(LEFT, made.NOW)
        async with following(server) as followed:
            await followed.runtime.launch(made.launch())
            cluster = Cluster(server.objects)
            pod = cluster.run("cart-7")
            followed.runtime.record(live)
            await followed.until(lambda: job_of(server)["metadata"]["labels"][names.PHASE_LABEL] == "live")
            cluster.end(pod, 0, word("caller_left"))
            await followed.exit()
            server.misbehave("refuse", method="PATCH", times=5, status=503)
            followed.runtime.record(over)
            await followed.until(lambda: job_of(server)["metadata"]["labels"][names.PHASE_LABEL] == "ended")

        assert read_session(made.job(job_of(server))) == over
        async with following(server) as followed:
            assert followed.of("launch-1", "found") == [over]


@at_once_with_sockets
async def test_a_failure_is_told_to_kubectl_once() -> None:
    async with serve_api() as server, following(server) as followed:
        failed = made.session().ended(ending_for(Reason.OUT_OF_MEMORY), made.NOW)
        await followed.runtime.launch(made.launch())
        server.misbehave("reset_after", method="PATCH")
        followed.runtime.record(failed)
        await followed.until(lambda: server.objects.all("events", "podline"))
        await asyncio.sleep(60)

        [event] = server.objects.all("events", "podline")
        assert (event["type"], event["reason"]) == ("Warning", "OutOfMemory")
        assert event["involvedObject"]["uid"] == job_of(server)["metadata"]["uid"]


@at_once_with_sockets
async def test_what_is_recorded_of_one_launch_is_never_written_onto_another() -> None:
    """An answer is lost, the session id is used again, and the record is written again."""
    async with serve_api() as server, following(server) as followed:
        await followed.runtime.launch(made.launch())
        cluster = Cluster(server.objects)
        cluster.act_alone()
        cluster.end(cluster.run("cart-7"), 1)
        await followed.exit()
        first = made.session().ended(ending_for(Reason.LAUNCH_FAILED), made.NOW)
        server.misbehave("reset_after", method="PATCH")
        followed.runtime.record(first)
        await server.until_asked(lambda asked: asked.method == "PATCH")
        second = made.session(launch_id="launch-2")
        await followed.runtime.launch(made.launch(session=second))
        await asyncio.sleep(60)

        labels = job_of(server)["metadata"]["labels"]
        assert labels[names.LAUNCH_ID] == "launch-2"
        # The watch has shown that it was written.
        assert [asked.method for asked in server.asked].count("PATCH") == 1
        assert labels[names.PHASE_LABEL] == str(Phase.STARTING)
        assert read_session(made.job(job_of(server))) == second
