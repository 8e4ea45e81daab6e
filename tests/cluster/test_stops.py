"""A stop in every state that a Job can be in, proven before it is called an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.kwok import Fate
from testing.cluster.site import ClusterSite, serve

Prepare = Callable[[ClusterSite], Awaitable[Any]]


async def stopped(site: ClusterSite, session_id: str) -> dict[str, Any]:
    """Stop it, see it end, and see that nothing of it is left but its record."""
    answer = await site.client.delete(f"/v1/sessions/{session_id}")
    assert (answer.status_code, answer.json()["phase"]) == (202, "stopping")
    ended = await site.until_over(session_id)
    await site.plane.until(site.pods, lambda pods: all(is_over(pod) for pod in pods["items"]))
    return ended


def is_over(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


@pytest.mark.parametrize(
    ("fate", "phase"),
    [
        pytest.param({}, "Running", id="running, leaves when asked"),
        pytest.param({"fate.test/end": Fate.DEAF}, "Running", id="running, ignores being asked"),
        pytest.param({"fate.test/end": Fate.IMAGE_PULL}, "Pending", id="its image can't be pulled"),
        pytest.param({"fate.test/end": Fate.IMAGE_NAME_INVALID}, "Pending", id="its image's name is invalid"),
        pytest.param({"fate.test/end": Fate.SECRET_MISSING}, "Pending", id="a Secret is missing"),
        pytest.param({"fate.test/end": Fate.NEVER_READY}, "Pending", id="its container is being created"),
    ],
)
async def test_a_session_is_stopped_whatever_its_pod_is_at(
    plane: ControlPlane, namespace: str, tmp_path: Path, fate: dict[str, str], phase: str
) -> None:
    async with serve(plane, namespace, tmp_path, fate=fate, grace_seconds=1) as site:
        session = await site.start(session_id="one")
        await site.pod(session["id"], phase)
        ended = await stopped(site, "one")
        job = await site.until_recorded("one")

    assert (ended["phase"], ended["reason"]) == ("ended", "stopped")
    assert ended["message"] == "The session was stopped on request."
    assert job["metadata"]["annotations"]["podline.dev/stop-reason"] == "stopped"
    assert job["metadata"]["labels"]["podline.dev/reason"] == "stopped"


async def test_a_session_that_no_node_has_room_for_is_stopped(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with scheduler_away(plane), serve(plane, namespace, tmp_path) as site:
        await site.start(session_id="one")
        await site.pod("one", "Pending")
        ended = await stopped(site, "one")

    assert ended["reason"] == "stopped"


async def test_a_session_stopped_before_it_has_a_pod_never_gets_one(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        async with nobody_looking_after_jobs(plane):
            await site.start(session_id="one")
            answer = await site.client.delete("/v1/sessions/one")
            assert answer.json()["phase"] == "stopping"
            await plane.until(f"{site.jobs}/one", lambda job: job["spec"]["activeDeadlineSeconds"] == 0)
            assert (await site.client.get("/v1/sessions/one")).json()["phase"] == "stopping"
        ended = await site.until_over("one")
        pods = await plane.api("GET", site.pods)

    assert ended["reason"] == "stopped"
    assert pods["items"] == []


async def test_a_bot_leaves_at_once_also_while_nobody_looks_after_jobs(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        async with nobody_looking_after_jobs(plane):
            ended = await stopped(site, "one")

    assert ended["reason"] == "stopped"


async def test_a_job_that_somebody_suspends_is_over_and_starts_no_second_bot(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        await plane.api("PATCH", f"{site.jobs}/one", {"spec": {"suspend": True}}, MERGE)
        ended = await site.until_over("one")
        job = await plane.until(f"{site.jobs}/one", has_ended)
        pods = await plane.api("GET", site.pods)

    assert ended["reason"] == "vanished"
    assert job["spec"]["activeDeadlineSeconds"] == 0
    assert [pod for pod in pods["items"] if not is_over(pod)] == []


async def test_a_pod_on_a_dead_node_is_forgotten_by_force_and_only_then_is_the_session_over(
    plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.runtimes.kubernetes.job_stopper.DEAD_NODE_SECONDS", 1.0)
    async with serve(
        plane, namespace, tmp_path, fate={"fate.test/end": Fate.UNREACHABLE}, grace_seconds=1
    ) as site:
        await site.live(session_id="one")
        await site.client.delete("/v1/sessions/one")
        await plane.until(site.pods, lambda pods: "deletionTimestamp" in pods["items"][0]["metadata"])
        assert (await site.client.get("/v1/sessions/one")).json()["phase"] == "stopping"
        ended = await site.until_over("one")
        pods = await plane.api("GET", site.pods)

    assert ended["reason"] == "stopped"
    assert pods["items"] == []


async def test_a_stop_of_an_ended_session_changes_nothing(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        await stopped(site, "one")
        before = await site.until_recorded("one")
        answer = await site.client.delete("/v1/sessions/one")
        after = await site.job("one")

    assert (answer.status_code, answer.json()["reason"]) == (200, "stopped")
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]


async def test_kubectl_stops_a_session_with_the_documented_annotation(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        await plane.kubectl(
            "annotate", "job", "one", "-n", namespace,
            "podline.dev/stop-reason=stopped", "podline.dev/stop-message=Maintenance tonight.",
        )  # fmt: skip
        ended = await site.until_over("one")

    assert (ended["reason"], ended["message"]) == ("stopped", "Maintenance tonight.")


def has_ended(job: dict[str, Any]) -> bool:
    return any(
        each["type"] in ("Complete", "Failed") and each["status"] == "True"
        for each in job["status"].get("conditions", [])
    )


@asynccontextmanager
async def nobody_looking_after_jobs(plane: ControlPlane) -> AsyncIterator[None]:
    await plane.stop_controller_manager()
    try:
        yield
    finally:
        await plane.start_controller_manager()


@asynccontextmanager
async def scheduler_away(plane: ControlPlane) -> AsyncIterator[None]:
    await plane.stop_scheduler()
    try:
        yield
    finally:
        await plane.start_scheduler()
