"""Each failure that a cluster can show, read back with its reason and a sentence that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podline.contract.reasons import REASONS_BY_EXIT_CODE, Reason
from testing.cluster.control_plane import ControlPlane
from testing.cluster.kwok import Fate
from testing.cluster.site import serve


def is_told(session: dict[str, Any], job: dict[str, Any], reason: str) -> bool:
    """API, labels, annotations and phase all say the same, in a sentence."""
    labels, annotations = job["metadata"]["labels"], job["metadata"]["annotations"]
    assert (session["phase"], session["reason"]) == ("failed", reason)
    assert (labels["podline.dev/phase"], labels["podline.dev/reason"]) == ("failed", reason)
    assert annotations["podline.dev/message"] == session["message"]
    assert session["message"].endswith(".")
    return True


@pytest.mark.parametrize(
    ("fate", "reason", "words"),
    [
        *(
            pytest.param(Fate.exits(code), str(reason), "", id=f"exit code {code}")
            for code, reason in REASONS_BY_EXIT_CODE.items()
            if reason is not Reason.OUT_OF_MEMORY
        ),
        pytest.param("exit-3", "crashed", "exited with code 3", id="an exit code that nobody knows"),
        pytest.param(
            "exit-137", "vanished", "terminated by someone else, with SIGKILL", id="killed from outside"
        ),
        pytest.param(Fate.OUT_OF_MEMORY, "out_of_memory", "Raise its memory limit", id="out of memory"),
        pytest.param(Fate.START_ERROR, "crashed", "could not be started", id="no such command"),
        pytest.param(Fate.EVICTED, "evicted", "The node evicted the bot", id="evicted by the kubelet"),
        pytest.param(Fate.NODE_PRESSURE, "evicted", "node", id="evicted for the node's sake"),
    ],
)
async def test_a_bot_that_fails_has_a_reason(
    plane: ControlPlane, namespace: str, tmp_path: Path, fate: str, reason: str, words: str
) -> None:
    async with serve(plane, namespace, tmp_path, fate={"fate.test/end": fate}) as site:
        await site.start(session_id="one")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, reason)
    assert words in failed["message"]


@pytest.mark.parametrize(
    ("fate", "reason", "words"),
    [
        pytest.param(Fate.IMAGE_PULL, "image_pull", "podline-bot", id="the image can't be pulled"),
        pytest.param(Fate.IMAGE_NAME_INVALID, "image_pull", "InvalidImageName", id="its name is invalid"),
        pytest.param(Fate.SECRET_MISSING, "start_timeout", "not found", id="a Secret is missing"),
        pytest.param(Fate.NEVER_READY, "start_timeout", "did not join", id="nobody knows why"),
    ],
)
async def test_a_bot_that_never_comes_up_is_given_up_with_what_held_it(
    plane: ControlPlane, namespace: str, tmp_path: Path, fate: str, reason: str, words: str
) -> None:
    async with serve(
        plane, namespace, tmp_path, fate={"fate.test/end": fate}, start_timeout_seconds=2
    ) as site:
        await site.start(session_id="one")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, reason)
    assert words in failed["message"]


async def test_a_bot_that_no_node_has_room_for_is_unschedulable(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, start_timeout_seconds=2, is_vast=True) as site:
        await site.start(session_id="one")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "unschedulable")
    assert "Insufficient memory" in failed["message"]


async def test_an_eviction_by_the_api_is_told_from_a_farewell(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        _, bot = await site.live(session_id="one")
        await site.fate("one", final_report=json.dumps(bot.final_report("terminated")))
        pod = await site.pod("one")
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod["metadata"]["name"], "namespace": namespace},
        }
        await plane.api("POST", f"{site.pods}/{pod['metadata']['name']}/eviction", eviction)
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "evicted")
    assert failed["usage"]["turns"] == 1


async def test_a_pod_deleted_by_hand_has_vanished(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        pod = await site.pod("one")
        await plane.kubectl("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--wait=false")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "vanished")
    assert failed["message"] == "The bot's pod was deleted by someone else. Start another session."


async def test_a_job_deleted_by_hand_has_vanished_once_its_pod_is_gone(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        await plane.kubectl("delete", "job", "one", "-n", namespace, "--wait=false")
        failed = await site.until_over("one")
        pods = await plane.until(site.pods, lambda pods: pods["items"] == [])

    assert (failed["phase"], failed["reason"]) == ("failed", "vanished")
    assert failed["message"] == "The Job was deleted by someone else. Start another session."
    assert pods["items"] == []


async def test_a_node_that_is_removed_takes_its_bot_along(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    lost = {
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
    }  # fmt: skip
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        pod = await site.pod("one")
        status = {"status": {"phase": "Failed", "conditions": [*pod["status"]["conditions"], lost]}}
        path = f"{site.pods}/{pod['metadata']['name']}/status"
        await plane.api("PATCH", path, status, "application/merge-patch+json")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "node_lost")


async def test_a_frozen_bot_is_given_up_and_ended(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(
        plane, namespace, tmp_path, fate={"fate.test/end": Fate.DEAF}, silence_seconds=1, grace_seconds=1
    ) as site:
        await site.live(session_id="one")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "unresponsive")


async def test_a_job_whose_deadline_came_while_the_controller_was_away_reached_its_maximum(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    times: dict[str, Any] = {"start_timeout_seconds": 1.5, "grace_seconds": 0.5, "max_duration_seconds": 1}
    async with serve(plane, namespace, tmp_path, **times) as site:
        await site.live(session_id="one")
    await plane.until(f"{site.jobs}/one", lambda job: job["status"].get("conditions"))

    async with serve(plane, namespace, tmp_path, **times) as site:
        ended = await site.until_over("one")

    assert (ended["phase"], ended["reason"]) == ("ended", "max_duration")


async def test_a_full_quota_refuses_a_start_and_says_so(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    quota = {"metadata": {"name": "jobs"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    await plane.api("POST", path, quota)
    await plane.until(f"{path}/jobs", lambda quota: "hard" in quota.get("status", {}))
    async with serve(plane, namespace, tmp_path) as site:
        await site.start(session_id="one")
        answer = await site.client.post("/v1/sessions", json={"user_id": "bo", "session_id": "two"})
        jobs = await plane.api("GET", site.jobs)

    assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
    assert answer.headers["Retry-After"]
    assert answer.json()["detail"].startswith("The namespace's quota is used up.")
    assert [job["metadata"]["name"] for job in jobs["items"]] == ["one"]


async def test_a_quota_that_leaves_no_room_for_the_pod_is_a_failed_launch(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    quota = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    await plane.api("POST", path, quota)
    await plane.until(f"{path}/pods", lambda quota: "hard" in quota.get("status", {}))
    async with serve(plane, namespace, tmp_path, start_timeout_seconds=2) as site:
        await site.start(session_id="one")
        failed = await site.until_over("one")
        job = await site.until_recorded("one")

    assert is_told(failed, job, "launch_failed")
    assert "exceeded quota: pods" in failed["message"]


async def test_kubectl_describe_says_why_a_session_failed(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plane.bot_log.write_text(
        "2026-01-01T00:00:00.000000000Z stderr F connecting with api_key=AIzaSyA1234567890abcdefghijklmn\n"
    )
    async with serve(plane, namespace, tmp_path, fate={"fate.test/end": "exit-67"}) as site:
        await site.start(session_id="one", user_id="ana")
        failed = await site.until_over("one")
        await site.until_recorded("one")
        await plane.until(
            f"/api/v1/namespaces/{namespace}/events",
            lambda events: any(each["reason"] == "ModelRefused" for each in events["items"]),
        )
        described = await plane.kubectl("describe", "job", "one", "-n", namespace)
        listed = await plane.kubectl(
            "get", "jobs", "-n", namespace, "-L", "podline.dev/user,podline.dev/phase,podline.dev/reason"
        )

    assert "ModelRefused" in described
    assert failed["message"] in described
    assert listed.splitlines()[1].split()[-3:] == ["ana", "failed", "model_refused"]
    assert failed["diagnostics"]["log"] == ["connecting with api_key=***"]
