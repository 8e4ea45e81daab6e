"""Warm bots that behave as a test says: they report, poll, and confirm the sessions that they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final

import httpx

from controller.core.agents import AgentDefinition
from controller.core.primitives.clock import Clock
from controller.core.warm import WarmBot
from testing.fakes.bots.reported import batch
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import FakeRuntime
from testing.fakes.controllers.site import Site, serve_site

LOOK_SECONDS: Final = 0.01
_WATCH_SECONDS: Final = 0.2
LATE_SECONDS: Final = 1.0
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Habit(StrEnum):
    """What a bot does with its assignment. One that freezes does nothing from its first message on."""

    CONFIRMS = auto()
    CONFIRMS_TWICE = auto()
    CONFIRMS_LATE = auto()
    IGNORES = auto()
    REFUSES = auto()
    DIES = auto()
    FREEZES = auto()
    NEVER_READY = auto()
    DIES_AT_ONCE = auto()


def loop_clock() -> Clock:
    """A clock that goes with the running loop, whose time may jump."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return Clock(now=lambda: _BEGAN + timedelta(seconds=loop.time() - began), monotonic=loop.time)


class WarmCrew:
    """All warm bots of a controller.

    Attributes:
        habits: of the bots that are launched next, in order; the others have the usual one.
        usual: what bots do with an assignment that have no habit of their own.
        serving: the variables of each bot that has a session, by launch id.
        answers: how each confirmation was answered, by launch id.
        refusals: the statuses with which bots were sent away, by launch id.
    """

    def __init__(self, client: httpx.AsyncClient, runtime: FakeRuntime, *habits: Habit) -> None:
        self.habits = list(habits)
        self.usual = Habit.CONFIRMS
        self.serving: dict[str, dict[str, str]] = {}
        self.answers: dict[str, list[int]] = {}
        self.refusals: dict[str, int] = {}
        self._client = client
        self._runtime = runtime
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[WarmCrew]:
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            watching.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(watching, *self._tasks.values(), return_exceptions=True)

    def join(self, launch_id: str) -> None:
        """Let a bot of an earlier controller find this one."""
        self._tasks[launch_id] = asyncio.create_task(self._live(launch_id, Habit.CONFIRMS, reports=False))

    async def post(self, launch_id: str, path: str, json: Any) -> httpx.Response:
        return await self._client.post(
            f"/internal/launches/{launch_id}/{path}", headers=_headers(launch_id), json=json
        )

    async def _watch(self) -> None:
        while True:
            for launch in self._runtime.warm:
                launch_id = launch.bot.launch_id
                if launch_id not in self._tasks:
                    habit = self.habits.pop(0) if self.habits else Habit.CONFIRMS
                    self._tasks[launch_id] = asyncio.create_task(self._live(launch_id, habit))
            await asyncio.sleep(_WATCH_SECONDS)

    async def _live(self, launch_id: str, habit: Habit, *, reports: bool = True) -> None:
        if habit is Habit.DIES_AT_ONCE:
            await self._die(launch_id)
        if habit in (Habit.DIES_AT_ONCE, Habit.NEVER_READY):
            return
        if reports:
            await self.post(launch_id, "reports", batch())
        after: str | None = None
        while launch_id not in self._runtime.gone:
            page = await self._client.get(
                f"/internal/launches/{launch_id}/inbox",
                headers=_headers(launch_id),
                params={} if after is None else {"after": after},
            )
            if habit is Habit.FREEZES:
                return
            if page.status_code in (401, 409):
                self.refusals[launch_id] = page.status_code
                await self._die(launch_id)
            elif page.is_error:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                for message in page.json()["messages"]:
                    after = message["id"]
                    await self._read(launch_id, message, habit)

    async def _read(self, launch_id: str, message: dict[str, Any], habit: Habit) -> None:
        match message["type"]:
            case "assignment":
                habit = self.usual if habit is Habit.CONFIRMS else habit
                await self._assigned(launch_id, message["id"], habit)
            case "stop":
                await self._die(launch_id)
            case _:
                pass

    async def _assigned(self, launch_id: str, message_id: str, habit: Habit) -> None:
        match habit:
            case Habit.IGNORES:
                return
            case Habit.DIES:
                await self._die(launch_id, exit_code=1)
                return
            case Habit.CONFIRMS_LATE:
                await asyncio.sleep(LATE_SECONDS)
            case _:
                pass
        body: dict[str, Any] = {"refusal": "No."} if habit is Habit.REFUSES else {"body": {}}
        for _ in range(2 if habit is Habit.CONFIRMS_TWICE else 1):
            answer = await self.post(launch_id, f"inbox/{message_id}", body)
            self.answers.setdefault(launch_id, []).append(answer.status_code)
            if answer.status_code == 200:
                variables = answer.json()["environment"]
                assert self.serving.setdefault(launch_id, variables) == variables
            elif answer.status_code in (401, 409) and launch_id not in self.serving:
                await self._die(launch_id)

    async def _die(self, launch_id: str, **seen: Any) -> None:
        self.serving.pop(launch_id, None)
        if launch_id not in self._runtime.gone:
            await self._runtime.exit(launch_id, **seen)


async def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(LOOK_SECONDS)


def waiting(runtime: FakeRuntime) -> list[str]:
    """Return the warm bots that exist and have no session, by launch id."""
    launched = [each.bot.launch_id for each in runtime.warm]
    return [each for each in launched if each not in runtime.gone and each not in runtime.claims]


def a_warm_bot(agent: str, version: str, launch_id: str = "warm-1") -> WarmBot:
    return WarmBot(launch_id=launch_id, agent=agent, agent_version=version, created=_BEGAN)


def _headers(launch_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SIGNER.launch_token(launch_id)}"}


CLERK: Final = AgentDefinition(name="clerk", min_agents=1)


@asynccontextmanager
async def shop(
    *habits: Habit, definition: AgentDefinition = CLERK, ready: int = 1, **site: Any
) -> AsyncIterator[tuple[Site, WarmCrew]]:
    """A site with the agent `clerk`, and its warm bots at work; opened once so many are ready."""
    async with (
        serve_site(agents=NamedAgents(definition), clock=loop_clock(), **site) as opened,
        WarmCrew(opened.client, opened.runtime, *habits).at_work() as crew,
    ):
        await ready_bots(opened, ready)
        yield opened, crew


async def ready_bots(site: Site, count: int) -> dict[str, Any]:
    """Return the agent's warm bots, once at least so many wait for a session."""
    warm: dict[str, Any] = {}
    for _ in range(10_000):
        warm = (await site.client.get("/v1/agents/clerk")).json()["warm"]
        if warm["ready"] >= count:
            return warm
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {count} ready: {warm}")
