"""Two controllers, an agent that keeps warm bots, and the bots; and the verdict on who serves whom."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.faults import ProxiedRequest
from testing.cluster.replicas import ReplicaProcess, Replicas, two_replicas
from testing.cluster.warm.crew import Crew, CrewBot, confirm
from testing.cluster.warm.ledger import JobLedger, is_running, session_on
from testing.fakes.controllers.served import PATIENCE_SECONDS

AGENT: Final = "clerk"
POOL: Final = 3
"""How many warm bots wait besides those in use."""

CLOCK_SHIFT_SECONDS: Final = 60.0

CALLERS_PATIENCE_SECONDS: Final = 120.0
"""Longer than anything is away."""

SECRET_SET: Final = "clerk-keys"
_DEPLOY: Final = f"""\
agent_name = "{AGENT}"
image = "registry.example.com/clerk:%s"
secret_set = "{SECRET_SET}"
"""
_PAUSE_SECONDS: Final = 0.1
_WAITING: Final = f"podline.dev/pool=waiting,podline.dev/agent={AGENT}"


def definition(image: str = "1", buffer: int = POOL) -> dict[str, Any]:
    """Return the ConfigMap of an agent that keeps warm bots."""
    return {
        "metadata": {"name": f"agent-{AGENT}", "labels": {"podline.dev/agent": AGENT}},
        "data": {
            "pcc-deploy.toml": _DEPLOY % image,
            "podline.toml": f"buffer = {buffer}\n",
        },
    }


def is_claim(asked: ProxiedRequest) -> bool:
    """Whether a request may be a claim: at rest there are no other writes to Jobs."""
    return asked.method == "PATCH" and asked.resource == "jobs"


@dataclass(eq=False)
class WarmShop:
    """What the tests of warm bots share. Each leaves it as it was, but for which controller leads."""

    replicas: Replicas
    crew: Crew
    ledger: JobLedger

    @property
    def plane(self) -> ControlPlane:
        return self.replicas.plane

    async def led_by(self, wanted: ReplicaProcess) -> ReplicaProcess:
        """Make one controller lead a full pool. Return the other one, at which all bots speak from now on."""
        self._heal()
        follower = await self.replicas.led_by(wanted)
        self.crew.change_controllers(follower.process.url_for_bots)
        await self.until_full(follower)
        return follower

    def _heal(self) -> None:
        """Take back what a test that failed may have left."""
        self.crew.before_confirming = confirm
        self.replicas.proxy.faults.clear()
        self.replicas.proxy.thaw()
        for each in self.replicas.both:
            if each.process.runs:
                each.process.send_signal(signal.SIGCONT)

    async def until_full(
        self, at: ReplicaProcess, version: str = "", without: Collection[str] = ()
    ) -> set[str]:
        """Wait until the pool is full of bots that can be taken. Return the names of their Jobs.

        Args:
            at: the controller to ask.
            version: how that of all bots begins.
            without: names of Jobs that are not to wait any more.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                agent = (await at.client.get(f"/v1/agents/{AGENT}")).json()
                jobs = await self.waiting()
                names = set(jobs) - set(without)
                is_current = all(each.startswith(version) for each in jobs.values())
                is_whole = len(names) == len(jobs) == POOL and is_current
                if is_whole and agent.get("warm", {}).get("ready") == POOL:
                    return names
                await asyncio.sleep(_PAUSE_SECONDS)  # seen from outside only

    async def waiting(self) -> dict[str, str]:
        """Return the agent's version of each bot that waits, by the name of its Job."""
        listed = await self.plane.api("GET", f"{self.replicas.jobs}?labelSelector={_WAITING}")
        waiting = (each["metadata"] for each in listed["items"] if is_running(each))
        return {each["name"]: each["labels"]["podline.dev/agent-version"] for each in waiting}

    async def start(self, at: ReplicaProcess, session_id: str) -> list[int]:
        """Ask for a session until it is accepted, as a caller does. Return the answers; 0 stands for none."""
        statuses: list[int] = []
        async with asyncio.timeout(CALLERS_PATIENCE_SECONDS):
            while True:
                try:
                    answer = await at.post(session_id, agent=AGENT)
                except httpx.TransportError:
                    statuses.append(0)
                else:
                    statuses.append(answer.status_code)
                    if answer.is_success:
                        assert answer.json()["id"] == session_id
                        return statuses
                    assert answer.status_code in (502, 503), answer.text
                await asyncio.sleep(_PAUSE_SECONDS)

    async def only_one_serves(
        self, at: ReplicaProcess, *session_ids: str, had_late_claim: bool = False
    ) -> list[CrewBot]:
        """Check that each session has one bot and each bot at most one, also once the start is repeated.

        By the API server's objects, and by what the bots were given.
        """
        bots = [await self._one_serves(at, each) for each in session_ids]
        assert {each.job: each.sessions for each in self.crew.bots.values() if len(each.sessions) > 1} == {}
        assert self.ledger.of_two_sessions() == {}
        assert set(self.ledger.shared) <= (set(session_ids) if had_late_claim else set())
        return bots

    async def evict(self, pod: str) -> None:
        """Evict a pod, as a drain does."""
        refusal = await self.plane.evict(self.crew.namespace, pod)
        if refusal is not None:
            refusal.raise_for_status()

    async def end_of(self, at: ReplicaProcess, session_id: str) -> str | None:
        """Return why a session has ended; None if it has not."""
        reason: str | None = (await at.read(session_id))["reason"]
        return reason

    async def until_version(self, at: ReplicaProcess, version: str) -> None:
        """Wait until the agent's active version is this one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                agent = (await at.client.get(f"/v1/agents/{AGENT}")).json()
                if agent["version"]["id"].startswith(version):
                    return
                await asyncio.sleep(_PAUSE_SECONDS / 10)  # seen from outside only

    async def end(self, at: ReplicaProcess, *session_ids: str) -> None:
        """Stop sessions, and wait until their bots are gone."""
        for session_id in session_ids:
            assert (await at.client.delete(f"/v1/sessions/{session_id}")).is_success
        await self.crew.until(lambda: not any(self.crew.serving(each) for each in session_ids))
        self.ledger.shared.clear()

    def first_asked(self, what: Callable[[CrewBot], Awaitable[None]]) -> None:
        """Have the next bot that is assigned a session do that before it confirms; the others confirm."""

        async def only_once(bot: CrewBot) -> None:
            self.crew.before_confirming = confirm
            await what(bot)

        self.crew.before_confirming = only_once

    async def _one_serves(self, at: ReplicaProcess, session_id: str) -> CrewBot:
        """Return the one bot that was given this session and lives, whose Job is the only one of that."""
        await self.crew.until(lambda: len(self.crew.serving(session_id)) == 1)
        assert await self.start(at, session_id) == [httpx.codes.OK]
        jobs = await self.plane.until(
            self.replicas.jobs, lambda found: len(of_session(found["items"], session_id)) == 1
        )
        [job], [bot] = of_session(jobs["items"], session_id), self.crew.serving(session_id)
        assert job["metadata"]["name"] == bot.job
        return bot


def of_session(jobs: list[dict[str, Any]], session_id: str) -> list[dict[str, Any]]:
    """Return those that run and are the session's."""
    return [each for each in jobs if session_on(each) == session_id and is_running(each)]


@asynccontextmanager
async def warm_shop(plane: ControlPlane, namespace: str) -> AsyncIterator[WarmShop]:
    async with two_replicas(plane, namespace, CLOCK_SHIFT_SECONDS) as replicas:
        crew = Crew(plane, namespace, replicas.other.process.url_for_bots)
        ledger = JobLedger(plane, namespace)
        async with crew.at_work(), ledger.kept():
            shop = WarmShop(replicas, crew, ledger)
            await plane.api("POST", f"{replicas.core}/configmaps", definition())
            yield shop
            await plane.api("PATCH", f"{replicas.core}/configmaps/agent-{AGENT}", definition(buffer=0), MERGE)
