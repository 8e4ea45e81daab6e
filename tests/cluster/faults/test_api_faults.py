"""An API server that is away, slow or odd: we say so, calls go on, and it passes without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.cluster.control_plane import ControlPlane
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.faults import (
    Delay,
    ErrorEvent,
    HalfOpen,
    Kind,
    ProxiedRequest,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
)
from testing.cluster.site import secret_of, serve, until_not_ready, until_ready


@pytest.fixture
async def proxy(plane: ControlPlane) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(plane) as running:
        yield running


def creating(resource: str) -> ProxyFault:
    return ProxyFault(ResetBefore(), lambda asked: asked.method == "POST" and asked.resource == resource)


def watching(asked: ProxiedRequest) -> bool:
    return asked.watching


def reading(asked: ProxiedRequest) -> bool:
    """Lists and watches: what a controller follows by."""
    return asked.method == "GET" and asked.resource in ("jobs", "pods")


async def test_while_the_api_server_is_away_starts_are_refused_and_calls_go_on(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as site:
        _, bot = await site.live(session_id="one")
        proxy.down()
        why = await until_not_ready(site.client)
        refused = await site.client.post("/v1/sessions", json={"user_id": "bo"})
        reported = await bot.report(turns=2)
        stopping = await site.client.delete("/v1/sessions/one")
        await proxy.up()
        await until_ready(site.client)
        ended = await site.until_over("one")
        started = await site.start(user_id="bo")

    assert why.startswith("Bots can't be launched or watched right now. The ")
    assert (refused.status_code, refused.json()["code"]) == (503, "runtime_unavailable")
    assert refused.headers["Retry-After"]
    assert refused.json()["detail"] == why
    assert (reported.status_code, stopping.json()["phase"]) == (200, "stopping")
    assert (ended["reason"], ended["usage"]["turns"]) == ("stopped", 3)
    assert started["phase"] == "starting"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Refuse(410, "Expired"), id="410"),
        pytest.param(Refuse(429, "TooManyRequests", retry_after=1), id="429"),
        pytest.param(Refuse(500, "InternalError"), id="500"),
        pytest.param(Refuse(504, "Timeout"), id="504"),
        pytest.param(ErrorEvent(), id="410 in a watch"),
        pytest.param(ErrorEvent(500, "InternalError", "etcd is gone"), id="500 in a watch"),
        pytest.param(ResetBefore(), id="reset"),
        pytest.param(Delay(1.0), id="slow"),
    ],
)
async def test_whatever_the_api_server_answers_meanwhile_an_end_is_seen_afterwards(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy, kind: Kind
) -> None:
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as site:
        await site.live(session_id="one")
        proxy.faults.append(ProxyFault(kind, watching if isinstance(kind, ErrorEvent) else reading, count=6))
        proxy.cut()
        await site.fate("one", end="exit-67")
        failed = await site.until_over("one")
        await until_ready(site.client)

    assert failed["reason"] == "model_refused"


async def test_a_watch_that_is_half_open_for_ever_is_found_out(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.runtimes.kubernetes.client.collection.READ_MARGIN_SECONDS", 0.5)
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig, watch_seconds=2) as site:
        await site.live(session_id="one")
        proxy.freeze()
        await site.fate("one", end="exit-67")
        why = await until_not_ready(site.client)
        proxy.thaw()
        await until_ready(site.client)
        failed = await site.until_over("one")

    assert "did not answer in time" in why
    assert failed["reason"] == "model_refused"


async def test_a_restarted_api_server_is_followed_on(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        await plane.restart_apiserver()
        await until_ready(site.client)
        await site.live(session_id="two")
        await site.fate("one", end="exit-67")
        failed = await site.until_over("one")

    assert failed["reason"] == "model_refused"


@pytest.mark.parametrize("resource", ["jobs", "secrets"])
@pytest.mark.parametrize("kind", [ResetBefore(), ResetAfter(), Refuse(500, "InternalError"), Refuse(429)])
async def test_a_write_that_passes_at_the_second_attempt_makes_one_bot(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy, resource: str, kind: Kind
) -> None:
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as site:
        fault = creating(resource)
        proxy.faults.append(ProxyFault(kind, fault.matches, count=2))
        session = await site.start(session_id="one")
        jobs = await plane.api("GET", site.jobs)
        secrets = await plane.api("GET", site.secrets)

    assert session["phase"] == "starting"
    assert [each["metadata"]["name"] for each in jobs["items"]] == ["one"]
    assert [each["metadata"]["name"] for each in secrets["items"]] == [secret_of(jobs["items"][0])]


@pytest.mark.parametrize("resource", ["jobs", "secrets"])
async def test_a_launch_that_nobody_can_tell_of_keeps_its_place_until_it_is_settled(
    plane: ControlPlane,
    namespace: str,
    tmp_path: Path,
    proxy: FaultProxy,
    resource: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("controller.runtimes.kubernetes.job_launcher.LAUNCH_SECONDS", 3.0)
    request = {"user_id": "ana", "session_id": "one"}
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig, capacity=1) as site:
        fault = ProxyFault(ResetAfter(), creating(resource).matches)
        proxy.faults.append(fault)
        unknown = await site.client.post("/v1/sessions", json=request)
        other = await site.client.post("/v1/sessions", json={"user_id": "bo"})
        proxy.faults.remove(fault)
        again = await site.client.post("/v1/sessions", json=request)
        jobs = await plane.api("GET", site.jobs)

    assert unknown.status_code == 503
    assert "Repeat the request with the same session_id" in unknown.json()["detail"]
    assert other.json()["code"] == "capacity_reached"
    assert again.status_code == 200
    assert len(jobs["items"]) == 1


async def test_a_launch_of_unknown_outcome_that_nobody_asks_for_again_leaves_no_bot(
    plane: ControlPlane,
    namespace: str,
    tmp_path: Path,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("controller.runtimes.kubernetes.job_launcher.LAUNCH_SECONDS", 3.0)
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as site:
        proxy.faults.append(ProxyFault(ResetAfter(), creating("jobs").matches))
        unknown = await site.client.post("/v1/sessions", json={"user_id": "ana"})
        [session] = (await site.client.get("/v1/sessions")).json()["sessions"]
        proxy.faults.clear()
        failed = await site.until_over(session["id"])
        pods = await plane.until(site.pods, lambda pods: all_over(pods["items"]))

    assert unknown.status_code == 503
    assert (failed["phase"], failed["reason"]) == ("failed", "launch_failed")
    assert all_over(pods["items"])


def all_over(pods: list[dict[str, dict[str, str]]]) -> bool:
    return all(each["status"].get("phase") in ("Succeeded", "Failed") for each in pods)


async def test_an_api_server_that_hangs_refuses_nobody_for_ever(
    plane: ControlPlane, namespace: str, tmp_path: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.runtimes.kubernetes.client.api.REQUEST_SECONDS", 1.0)
    monkeypatch.setattr("controller.runtimes.kubernetes.job_launcher.LAUNCH_SECONDS", 3.0)
    async with serve(plane, namespace, tmp_path, kubeconfig=proxy.kubeconfig) as site:
        proxy.faults.append(ProxyFault(HalfOpen(), creating("jobs").matches))
        async with asyncio.timeout(15):
            answer = await site.client.post("/v1/sessions", json={"user_id": "ana"})

    assert answer.status_code == 503
