"""Which sessions a namespace's Jobs were, from the first version of each to its last, by the API server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane
from testing.cluster.jobs import is_over
from testing.cluster.paths import NamespacePaths
from testing.cluster.warm.changes import changes

SESSION: Final = "podline.dev/session-id"


class JobLedger(NamespacePaths):
    """What was written on all Jobs.

    Attributes:
        sessions_of: the sessions that each Job was ever, by its name.
        jobs_now: the Jobs that run and are a session's, by its id.
        shared: sessions that had two Jobs at one time, with these.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.sessions_of: defaultdict[str, set[str]] = defaultdict(set)
        self.jobs_now: defaultdict[str, set[str]] = defaultdict(set)
        self.shared: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[JobLedger]:
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            following.cancel()
            await asyncio.wait([following])
            if not following.cancelled():
                following.result()

    async def _follow(self) -> None:
        async with aclosing(changes(self.plane, self.jobs)) as seen:
            async for change in seen:
                self._write(change.thing, is_gone=change.is_gone)
                self._changed.set()
                self._changed = asyncio.Event()

    def _write(self, job: dict[str, Any], *, is_gone: bool) -> None:
        name, session_id = job["metadata"]["name"], session_on(job)
        for jobs in self.jobs_now.values():
            jobs.discard(name)
        if session_id is None:
            return
        self.sessions_of[name].add(session_id)
        if is_gone or not is_running(job):
            return
        jobs = self.jobs_now[session_id]
        jobs.add(name)
        if len(jobs) > 1:
            self.shared[session_id] = set(jobs)

    async def claimed(self, session_id: str) -> str:
        """Return the name of the Job that is the session's, as soon as one is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.jobs_now[session_id]:
                await self._changed.wait()
        [name] = self.jobs_now[session_id]
        return name

    def of_two_sessions(self) -> dict[str, set[str]]:
        """Return the Jobs that were two sessions', with these."""
        return {name: sessions for name, sessions in self.sessions_of.items() if len(sessions) > 1}


def session_on(job: dict[str, Any]) -> str | None:
    session_id: str | None = job["metadata"].get("annotations", {}).get(SESSION)
    return session_id


def is_running(job: dict[str, Any]) -> bool:
    """Whether a bot runs for it, or may yet: it has not ended, and is not stopped for good."""
    is_stopped = job["spec"].get("activeDeadlineSeconds") == 0 or "deletionTimestamp" in job["metadata"]
    return not is_stopped and not is_over(job)
