"""The pods of Jobs, tracked by the benchmark's own watch: when it learned of each step."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any, Final, Self

import aiohttp
import msgspec

from scripts.benchmarks.cluster.raw import Raw

JOB_NAME: Final = "batch.kubernetes.io/job-name"
PATIENCE_SECONDS: Final = 60.0
"""Only a hang takes this long."""


class Pods:
    """Follows all pods of Jobs while its `async with` lasts; moments are those of `time.time`."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._seen: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._names: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        following = tasks.create_task(self._follow())
        self._stack.callback(following.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def until(self, job: str, step: str) -> float:
        """When we learned that the Job's pod was `scheduled`, had `begun` to run, or was `over`."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: step in self._seen[job])
        return self._seen[job][step]

    async def log(self, job: str) -> str:
        path = f"{self._raw.access.pods}/{self._names[job]}/log"
        return (await self._raw.send("GET", path)).decode()

    async def _follow(self) -> None:
        query = {"watch": "1", "labelSelector": JOB_NAME, "timeoutSeconds": "3600"}
        forever = aiohttp.ClientTimeout(total=None)
        async with self._raw.http.get(self._raw.access.pods, params=query, timeout=forever) as answer:
            async for line in answer.content:
                pod = msgspec.json.decode(line)["object"]
                await self._note(pod["metadata"], pod["status"])
        raise RuntimeError("the watch of pods has ended")

    async def _note(self, metadata: dict[str, Any], status: dict[str, Any]) -> None:
        now, job = time.time(), metadata["labels"][JOB_NAME]
        self._names[job] = metadata["name"]
        async with self._changed:
            for step in steps_of(status):
                self._seen[job].setdefault(step, now)
            self._changed.notify_all()


def steps_of(status: dict[str, Any]) -> set[str]:
    """How far a pod has come, by its status."""
    steps = set()
    conditions = status.get("conditions", [])
    if any(each["type"] == "PodScheduled" and each["status"] == "True" for each in conditions):
        steps.add("scheduled")
    if any({"running", "terminated"} & each["state"].keys() for each in status.get("containerStatuses", [])):
        steps.add("begun")
    if status.get("phase") in ("Succeeded", "Failed"):
        steps.add("over")
    return steps
