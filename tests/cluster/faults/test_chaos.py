"""Everything at once, at random moments: afterwards there is one bot for each session and none too many.

PODLINE_CHAOS_SESSIONS and PODLINE_CHAOS_SEED make it longer, or play one run again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx

from testing.cluster.control_plane import ControlPlane
from testing.cluster.controller_process import ControllerProcess
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.faults import (
    Delay,
    ErrorEvent,
    HalfOpen,
    Kind,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
)
from testing.cluster.site import write_template
from testing.fakes.controllers.served import PATIENCE_SECONDS

SESSIONS = int(os.environ.get("PODLINE_CHAOS_SESSIONS", "20"))
LOOP_SESSIONS = 20
AGENTS = Path(__file__).parents[3] / "deploy/base/agents.yaml"
FOREIGN = "foreign-job"
RESTED_SECONDS = 120.0
"""Only a hang takes this long."""


class Chaos:
    """What callers asked for in one loop, and the answers."""

    def __init__(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        self.client = client
        self.chance = chance
        self.answers: dict[str, list[int]] = {}
        self.stopped: set[str] = set()

    async def caller(self, session_id: str) -> None:
        """Ask, at times twice at once or again; stop it, at times."""
        await asyncio.sleep(self.chance.uniform(0, 4))
        times = self.chance.choice([1, 1, 2])
        await asyncio.gather(*(self.ask(session_id) for _ in range(times)))
        if self.chance.random() < 0.5:
            await asyncio.sleep(self.chance.uniform(0, 1))
            self.stopped.add(session_id)
            await self.send("DELETE", f"/v1/sessions/{session_id}")

    async def ask(self, session_id: str) -> None:
        body = {"user_id": "ana", "session_id": session_id}
        self.answers.setdefault(session_id, []).append(await self.send("POST", "/v1/sessions", body))

    async def send(self, method: str, path: str, body: Any = None) -> int:
        """Zero stands for a controller that died on it."""
        try:
            return (await self.client.request(method, path, json=body)).status_code
        except httpx.HTTPError:
            return 0

    async def sessions(self) -> dict[str, dict[str, Any]]:
        found = (await self.client.get("/v1/sessions?limit=500")).json()["sessions"]
        return {each["id"]: each for each in found}


def faults(chance: random.Random) -> list[ProxyFault]:
    """A little of everything, all the time."""
    kinds: list[Kind] = [
        ResetBefore(),
        ResetAfter(),
        Delay(chance.uniform(0.05, 0.5)),
        HalfOpen(),
        Refuse(429, "TooManyRequests", retry_after=1),
        Refuse(500, "InternalError"),
        Refuse(504, "Timeout"),
        ErrorEvent(),
    ]
    probability: dict[type[Kind], float] = {HalfOpen: 0.01, ErrorEvent: 0.1}
    return [
        ProxyFault(
            kind,
            (lambda asked: asked.watching) if isinstance(kind, ErrorEvent) else (lambda _: True),
            probability=probability.get(type(kind), 0.05),
        )
        for kind in kinds
    ]


async def disturb(
    controller: ControllerProcess, proxy: FaultProxy, plane: ControlPlane, chance: random.Random
) -> None:
    """Kill, cut and restart, for as long as callers come."""
    what = [
        controller_killed,
        controller_killed,
        connections_broken,
        connections_broken,
        api_server_restarted,
    ]
    chance.shuffle(what)
    for each in what:
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        await each(controller, proxy, plane)


async def controller_killed(controller: ControllerProcess, _: FaultProxy, __: ControlPlane) -> None:
    await controller.end()
    await controller.start()


async def connections_broken(_: ControllerProcess, proxy: FaultProxy, __: ControlPlane) -> None:
    proxy.break_connections()


async def api_server_restarted(_: ControllerProcess, __: FaultProxy, plane: ControlPlane) -> None:
    await plane.restart_apiserver(patience=0)


async def test_after_any_disturbance_there_is_one_bot_for_each_session_and_none_too_many(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("PODLINE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    tell(f"PODLINE_CHAOS_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311 - a seed that a failure shows
    template = write_template(tmp_path, {})
    await plane.kubectl("create", "job", FOREIGN, "--image=x", "-n", namespace)
    await plane.kubectl("apply", "-f", str(AGENTS), "-n", namespace)
    async with FaultProxy(plane, seed=seed) as proxy:
        controller = ControllerProcess(
            proxy.kubeconfig, namespace, template,
            PODLINE_CAPACITY="1000", PODLINE_SESSIONS_PER_USER="1000", PODLINE_GRACE_SECONDS="1",
        )  # fmt: skip
        try:
            for loop in range(-(-SESSIONS // LOOP_SESSIONS)):
                await one_loop(loop, controller, proxy, plane, namespace, chance)
        except BaseException:
            tell(controller.log.read_text(encoding="utf-8")[-20_000:])
            raise
        finally:
            await controller.end()


async def one_loop(
    loop: int,
    controller: ControllerProcess,
    proxy: FaultProxy,
    plane: ControlPlane,
    namespace: str,
    chance: random.Random,
) -> None:
    proxy.faults.clear()
    if loop == 0:
        await controller.start()
    await controller.ready()
    async with httpx.AsyncClient(base_url=controller.url, timeout=PATIENCE_SECONDS * 2) as client:
        await play(loop, Chaos(client, chance), controller, proxy, plane, namespace)


async def play(
    loop: int,
    chaos: Chaos,
    controller: ControllerProcess,
    proxy: FaultProxy,
    plane: ControlPlane,
    namespace: str,
) -> None:
    chance = chaos.chance
    ids = [FOREIGN, *(f"loop{loop}-{number}" for number in range(LOOP_SESSIONS))]
    proxy.faults += faults(chance)
    callers: list[Coroutine[Any, Any, None]] = [chaos.caller(each) for each in ids]
    await asyncio.gather(disturb(controller, proxy, plane, chance), *callers)
    proxy.faults.clear()
    proxy.break_connections()
    await controller.ready()
    await settle(chaos)
    answers = Counter(status for statuses in chaos.answers.values() for status in statuses)
    tell(f"loop {loop}: answers {dict(answers)}, requests {proxy.counts.total()}, starts {controller.starts}")
    await check(chaos, plane, namespace)
    await end_all(chaos)
    await check_ends(chaos, plane, namespace)


async def settle(chaos: Chaos) -> None:
    """Callers without a definite answer ask again, as the documentation advises."""
    for session_id, answers in list(chaos.answers.items()):
        if not {200, 201, 409} & set(answers) and session_id not in chaos.stopped:
            await chaos.ask(session_id)


async def check(chaos: Chaos, plane: ControlPlane, namespace: str) -> None:
    """While bots run: a Job for each accepted session, none for a refused one, no Secret without Job."""
    sessions = await chaos.sessions()
    jobs = {
        job["metadata"]["name"]: job
        for job in await items(plane, f"/apis/batch/v1/namespaces/{namespace}/jobs")
    }
    written = await items(plane, f"/api/v1/namespaces/{namespace}/secrets")
    secrets = {each["metadata"]["ownerReferences"][0]["name"] for each in written}
    for session_id, answers in chaos.answers.items():
        if {200, 201} & set(answers):
            assert session_id in jobs, (session_id, answers)
            assert session_id in sessions
    assert "podline.dev/launch-id" not in jobs[FOREIGN]["metadata"].get("labels", {})
    assert set(chaos.answers[FOREIGN]) <= {0, 409, 503}
    assert secrets <= jobs.keys()
    pods = await items(plane, f"/api/v1/namespaces/{namespace}/pods")
    of_job = Counter(pod["metadata"]["labels"].get("job-name") for pod in pods)
    assert {name: count for name, count in of_job.items() if count > 1} == {}


async def end_all(chaos: Chaos) -> None:
    for session_id, session in (await chaos.sessions()).items():
        if is_running(session):
            assert await chaos.send("DELETE", f"/v1/sessions/{session_id}") in (200, 202)


async def check_ends(chaos: Chaos, plane: ControlPlane, namespace: str) -> None:
    """Every bot is gone, and API and Job tell the same of its end."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    async with asyncio.timeout(RESTED_SECONDS):
        while any(is_running(each) for each in (await chaos.sessions()).values()):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.2)
    running = [
        pod["metadata"]["name"]
        for pod in await items(plane, path)
        if pod["status"].get("phase") not in ("Succeeded", "Failed")
        and pod["metadata"]["labels"].get("job-name") != FOREIGN
    ]
    assert running == []
    sessions = await chaos.sessions()
    jobs = await plane.until(
        f"/apis/batch/v1/namespaces/{namespace}/jobs?labelSelector=podline.dev/launch-id",
        lambda jobs: all("podline.dev/reason" in job["metadata"]["labels"] for job in jobs["items"]),
    )
    for job in jobs["items"]:
        session = sessions[job["metadata"]["annotations"]["podline.dev/session-id"]]
        assert job["metadata"]["labels"]["podline.dev/reason"] == session["reason"]
        assert job["metadata"]["annotations"]["podline.dev/message"] == session["message"]


def tell(text: str) -> None:
    """Shown where the test fails: what is needed to play it again."""
    print(text)  # noqa: T201


def is_running(session: dict[str, Any]) -> bool:
    return session["phase"] not in ("ended", "failed")


async def items(plane: ControlPlane, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await plane.api("GET", path))["items"]
    return found
