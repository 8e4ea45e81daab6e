"""The fake API server, and what talks to it, for the tests of this folder."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controller.core.primitives.clock import Clock
from controller.core.runtime import Exit, Observation
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.collection import Collection, WatchHealth
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.client.watch import Change, Gone, Seen, Watch
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer
from testing.fakes.kubernetes.kubeconfig import write_kubeconfig
from tests.unit.controller.runtimes.kubernetes import made

JOBS = "/apis/batch/v1/namespaces/podline/jobs"
AN_HOUR = 3600.0
"""Only a hang takes this long, and the clockwork makes it seconds."""


@contextmanager
def access_to(server: ApiServer) -> Any:
    with TemporaryDirectory() as directory:
        yield Access(str(write_kubeconfig(Path(directory) / "config", server.url, token="a-token")))


@asynccontextmanager
async def api_to(server: ApiServer, may_write: Callable[[], bool] = lambda: True) -> AsyncIterator[Api]:
    with access_to(server) as access:
        async with Api(access, may_write=may_write) as api:
            yield api


def add_job(server: ApiServer, name: str, launch_id: str = "") -> Thing:
    """A Job with our label; only what a watcher reads."""
    labels = {names.LAUNCH_ID: launch_id or f"launch-of-{name}"}
    return server.objects.create("jobs", "podline", {"metadata": {"name": name, "labels": labels}})


def mark_job(server: ApiServer, name: str, reason: str) -> None:
    server.objects.patch("jobs", "podline", name, {"metadata": {"labels": {names.REASON_LABEL: reason}}})


def job_of(server: ApiServer, session_id: str = "cart-7") -> Thing:
    return server.objects.get("jobs", "podline", session_id)


def label(server: ApiServer, name: str) -> str | None:
    labels: dict[str, str] = job_of(server)["metadata"]["labels"]
    return labels.get(name)


def drop_job(server: ApiServer, name: str) -> None:
    server.objects.delete("jobs", "podline", name)


class Watched:
    """What a watch has yielded: the Jobs there are, and those that are gone."""

    def __init__(self, watch: Watch[Job]) -> None:
        self.watch = watch
        self.jobs: dict[str, Job] = {}
        self.gone: list[tuple[str, str]] = []
        self.last_states: list[Job] = []
        self.lists = 0
        self.running: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def names(self) -> set[str]:
        return set(self.jobs)

    def reason(self, name: str) -> str | None:
        return self.jobs[name].metadata.labels.reason if name in self.jobs else None

    async def read(self) -> None:
        async for change in self.watch.changes():
            self._take(change)
            self._wake()

    def _take(self, change: Change[Job]) -> None:
        if isinstance(change, Seen):
            self.jobs[change.object.metadata.name] = change.object
        elif isinstance(change, Gone):
            self.gone.append((change.launch_id, change.name))
            self.last_states += [change.object] if change.object is not None else []
            known = self.jobs.get(change.name)
            if known is not None and known.metadata.labels.launch_id == change.launch_id:
                del self.jobs[change.name]
        else:
            self.lists += 1

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; looks at each piece of news, and now and then for what is none."""
        async with asyncio.timeout(AN_HOUR):
            while not holds():
                if self.running is not None and self.running.done():
                    self.running.result()
                try:
                    async with asyncio.timeout(1):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@asynccontextmanager
async def watching(server: ApiServer, **settings: float) -> AsyncIterator[tuple[WatchHealth, Watched]]:
    """A watch of all Jobs with our label. Waiting for news of one that has failed fails."""
    async with api_to(server) as api:
        jobs = Collection(api, JOBS, Job, names.LAUNCH_ID)
        watch = Watch(jobs, random.Random(1), **settings)  # noqa: S311 - the same each time
        watched = Watched(watch)
        watched.running = asyncio.create_task(watched.read())
        try:
            yield watch.health, watched
        finally:
            watched.running.cancel()
            await asyncio.wait([watched.running])


class Followed:
    """A runtime that is watched, and what it has observed."""

    def __init__(self, runtime: KubernetesRuntime) -> None:
        self.runtime = runtime
        self.observations: list[Observation] = []
        self.following: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def of(self, launch_id: str, what: str) -> list[Any]:
        """All that was observed of one launch: each `found`, `intent`, `scheduled` or `exit`."""
        observed = (getattr(each, what) for each in self.observations if each.launch_id == launch_id)
        return [each for each in observed if each is not None]

    async def follow(self) -> None:
        async for observation in self.runtime.watch():
            self.observations.append(observation)
            self._news.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds; looks at each observation, and each second for what is none."""
        async with asyncio.timeout(AN_HOUR):
            while not holds():
                if self.following is not None and self.following.done():
                    self.following.result()
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._news.wait()

    async def exit(self, launch_id: str = "launch-1") -> Exit:
        await self.until(lambda: self.of(launch_id, "exit"))
        [seen] = self.of(launch_id, "exit")
        assert isinstance(seen, Exit)
        return seen


def passing_clock() -> Clock:
    """Time as the clockwork makes it pass, from noon on."""
    time = asyncio.get_running_loop().time
    began = time()
    return Clock(now=lambda: made.NOW + timedelta(seconds=time() - began), monotonic=time)


@asynccontextmanager
async def following(
    server: ApiServer,
    *,
    until_ready: bool = True,
    namespace: str = "podline",
    may_write: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Followed]:
    """A runtime over the fake, as a leader runs it."""
    with access_to(server) as access:
        followed = Followed(_runtime(access, namespace, may_write))
        async with running(followed.follow()) as followed.following:
            if until_ready:
                await followed.until(lambda: followed.runtime.not_ready_reason() is None)
            yield followed


@asynccontextmanager
async def standing_by(server: ApiServer) -> AsyncIterator[Followed]:
    """A runtime over the fake, as a standby runs it. `follow` takes over."""
    with access_to(server) as access:
        followed = Followed(_runtime(access, "podline", lambda: True))
        async with running(followed.runtime.follow()):
            await followed.until(lambda: followed.runtime.why_not_following() is None)
            yield followed


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def _runtime(access: Access, namespace: str, may_write: Callable[[], bool]) -> KubernetesRuntime:
    return KubernetesRuntime(
        api=Api(access, may_write=may_write),
        namespace=namespace,
        template=made.template(),
        grace_seconds=30,
        keep_ended_seconds=3600,
        clock=passing_clock(),
        rng=random.Random(1),  # noqa: S311 - the same each time
    )
