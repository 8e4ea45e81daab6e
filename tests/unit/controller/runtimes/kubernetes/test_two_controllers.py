"""Two controllers write to the same Jobs and pods: what the next one has written stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.core.endings import ending_for
from controller.core.errors import RuntimeUnavailable, SessionConflict
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod, lean_job
from controller.runtimes.kubernetes.job.records import is_accounted, is_recorded, progress_patch, stop_patch
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.launch_site import again, launching
from tests.unit.controller.runtimes.kubernetes.serving import add_job, api_to, following, job_of, label

STOP = ending_for(Reason.STOPPED)
LIVE = made.session().marked(joined=made.NOW)
LEFT = LIVE.ended(ending_for(Reason.CALLER_LEFT), made.NOW)
FAILED = LIVE.ended(ending_for(Reason.OUT_OF_MEMORY), made.NOW)


@asynccontextmanager
async def client_of(server: ApiServer) -> AsyncIterator[NamespaceClient]:
    async with api_to(server) as api:
        yield NamespaceClient(api, "podline")


async def seen(client: NamespaceClient, name: str = "cart-7") -> Job:
    job = await client.find_job(name)
    assert job is not None
    return job


def requests(server: ApiServer) -> list[str]:
    return [each.method for each in server.asked]


# --- one write ---


@at_once_with_sockets
async def test_a_write_to_a_job_as_it_was_seen_is_one_request() -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        job = lean_job(await seen(client))
        changed = await client.patch_job(job, progress_patch(LIVE), unless=is_accounted)
        assert changed is not None
        await client.delete_job(changed)

        assert requests(server) == ["GET", "PATCH", "DELETE"]
        assert server.objects.all("jobs", "podline") == []


@at_once_with_sockets
async def test_a_job_that_has_changed_is_read_again_and_written() -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        job = await seen(client)
        Cluster(server.objects).end_job("cart-7", "Complete", "CompletionsReached")
        changed = await client.patch_job(job, progress_patch(LEFT), unless=is_accounted)
        await client.delete_job(job)

        assert changed is not None
        assert is_accounted(changed)
        assert requests(server) == ["GET", "PATCH", "GET", "PATCH", "DELETE", "GET", "DELETE"]
        assert server.objects.all("jobs", "podline") == []


@pytest.mark.parametrize("patch", [progress_patch(LIVE), progress_patch(FAILED), stop_patch(STOP)])
@at_once_with_sockets
async def test_an_end_that_another_controller_has_recorded_stays(patch: dict[str, object]) -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        stale = await seen(client)
        server.objects.patch("jobs", "podline", "cart-7", progress_patch(LEFT))
        recorded = job_of(server)
        # Neither a state from before the end nor the watch's state of it leads to a write.
        for job in (stale, lean_job(await seen(client))):
            now = await client.patch_job(job, patch, unless=is_accounted)
            assert now is not None
            assert now.metadata.labels.reason == "caller_left"

        assert job_of(server) == recorded


@at_once_with_sockets
async def test_another_job_of_the_name_is_neither_changed_nor_deleted() -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        former = await seen(client)
        server.objects.delete("jobs", "podline", "cart-7")
        assert await client.patch_job(former, stop_patch(STOP), unless=is_accounted) is None
        await client.delete_job(former)
        another = add_job(server, "cart-7")
        assert await client.patch_job(former, stop_patch(STOP), unless=is_accounted) is None
        await client.delete_job(former)

        assert job_of(server) == another


@at_once_with_sockets
async def test_a_job_that_changes_again_and_again_is_left_to_a_later_try() -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        job = await seen(client)
        server.misbehave("refuse", method="PATCH", times=1000, status=409, reason="Conflict")
        with pytest.raises(ApiRefused) as refused:
            await client.patch_job(job, stop_patch(STOP), unless=is_accounted)

        assert refused.value.may_pass
        assert requests(server).count("PATCH") == 5


@at_once_with_sockets
async def test_a_job_is_not_deleted_once_the_reason_to_delete_it_is_gone() -> None:
    async with serve_api() as server, client_of(server) as client:
        add_job(server, "cart-7")
        job = await seen(client)
        server.objects.patch("jobs", "podline", "cart-7", progress_patch(LIVE))
        await client.delete_job(job, unless=is_recorded)

        assert label(server, names.PHASE_LABEL) == "live"


@at_once_with_sockets
async def test_only_the_pod_that_was_seen_is_deleted_and_by_force_only_as_it_was_seen() -> None:
    async with serve_api() as server, client_of(server) as client:
        cluster = Cluster(server.objects)
        server.objects.create("jobs", "podline", made.manifest(made.launch()))
        name = cluster.run("cart-7")
        pod = await client.find_pod("launch-1")
        assert pod is not None
        cluster.set_state(name, {"running": {}}, phase="Running")
        with pytest.raises(ApiRefused) as changed:
            await client.forget_pod(pod)
        assert changed.value.is_conflict
        # Its state is another one, and it has to leave all the same.
        await client.delete_pod(pod)
        assert "deletionTimestamp" in server.objects.get("pods", "podline", name)["metadata"]
        going = await client.find_pod("launch-1")
        assert isinstance(going, Pod)
        await client.forget_pod(going)
        cluster.run("cart-7")
        with pytest.raises(ApiRefused) as another:
            await client.delete_pod(pod)

        assert another.value.is_conflict
        assert "deletionTimestamp" not in server.objects.get("pods", "podline", name)["metadata"]


# --- a runtime whose watch or process was slow ---


@at_once_with_sockets
async def test_a_usual_session_is_written_with_one_request_each_time() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        await asyncio.sleep(1)
        followed.runtime.record(LIVE)
        await asyncio.sleep(1)
        cluster.end(pod, 0)
        await followed.exit()
        # The Job controller's last writes come after the bot's end has been seen.
        server.objects.patch("jobs", "podline", "cart-7", {"status": {"succeeded": 1}})
        await asyncio.sleep(1)
        followed.runtime.record(LEFT)
        await asyncio.sleep(1)

        assert label(server, names.REASON_LABEL) == "caller_left"
        assert [each.method for each in server.asked if each.path.endswith("/cart-7")] == ["PATCH", "PATCH"]


@at_once_with_sockets
async def test_a_record_that_is_late_does_not_replace_the_end() -> None:
    """The controller is paused after it has sent its record; the next one records the end meanwhile."""
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        await asyncio.sleep(1)
        late = server.misbehave("wait", method="PATCH")
        followed.runtime.record(FAILED)
        await server.until_asked(lambda asked: asked.method == "PATCH")
        server.objects.patch("jobs", "podline", "cart-7", progress_patch(LEFT))
        recorded = job_of(server)
        late.let_go.set()
        await followed.until(lambda: followed.runtime.writes_pending == 0)

        assert job_of(server) == recorded
        assert server.objects.all("events", "podline") == []


@at_once_with_sockets
async def test_a_stop_that_is_late_hits_nothing_of_a_session_that_has_ended() -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        await followed.runtime.launch(made.launch())
        pod = cluster.run("cart-7")
        await asyncio.sleep(1)
        late = server.misbehave("wait", method="PATCH")
        await followed.runtime.stop(made.session(), STOP)
        await server.until_asked(lambda asked: asked.method == "PATCH")
        cluster.end(pod, 0)
        server.objects.patch("jobs", "podline", "cart-7", progress_patch(LEFT))
        recorded = job_of(server)
        late.let_go.set()
        await followed.exit()
        await asyncio.sleep(60)

        assert job_of(server) == recorded
        assert server.objects.find("pods", "podline", pod) is not None


@at_once_with_sockets
async def test_a_controller_that_is_not_the_leader_stops_and_records_nothing_until_it_is() -> None:
    may_write = True
    async with serve_api() as server, following(server, may_write=lambda: may_write) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        await asyncio.sleep(1)
        before = job_of(server)
        may_write = False
        await followed.runtime.stop(made.session(), STOP)
        followed.runtime.record(LIVE)
        await asyncio.sleep(60)
        assert job_of(server) == before

        may_write = True
        await followed.exit()
        assert job_of(server)["spec"]["activeDeadlineSeconds"] == 0


# --- launches ---


@at_once_with_sockets
async def test_a_former_launch_that_is_found_again_in_time_is_not_cleared_away() -> None:
    """The delete is under way while another controller launches the session once more."""
    async with launching() as site:
        await site.launch()
        site.abandoned.add("launch-1")
        late = site.server.misbehave("wait", method="DELETE")
        relaunching = asyncio.create_task(site.launch(again()))
        await site.server.until_asked(lambda asked: asked.method == "DELETE")
        site.server.objects.patch("jobs", "podline", "cart-7", progress_patch(LIVE))
        site.abandoned.clear()
        late.let_go.set()
        with pytest.raises(SessionConflict):
            await relaunching

        site.assert_launched("launch-1")


@at_once_with_sockets
async def test_a_launch_that_another_controller_has_completed_is_not_taken_back() -> None:
    async with launching() as site:
        site.server.misbehave("refuse", method="POST", path="/secrets", status=403)
        late = site.server.misbehave("wait", method="DELETE")
        starting = asyncio.create_task(site.launch())
        await site.server.until_asked(lambda asked: asked.method == "DELETE")
        site.server.objects.patch("jobs", "podline", "cart-7", progress_patch(LIVE))
        late.let_go.set()
        with pytest.raises(RuntimeUnavailable, match="Secret could not be created"):
            await starting

        assert label(site.server, names.PHASE_LABEL) == "live"
