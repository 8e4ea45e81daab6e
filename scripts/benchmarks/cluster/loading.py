"""Fills a namespace with sessions: half of them live, half ended, each with its Job and its pod."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.raw import MERGE_PATCH, ApiAccess, Raw
from scripts.benchmarks.running.run import BenchRun

AT_ONCE: Final = 24


class _Meta(msgspec.Struct):
    name: str


class _Named(msgspec.Struct):
    metadata: _Meta


async def fill(run: BenchRun, access: ApiAccess) -> str:
    """Write as many sessions as the run counts, and return the id of one that is live."""
    left = iter(range(run.count))
    live: list[str] = []

    async def work(raw: Raw) -> None:
        for number in left:
            if number % 500 == 0:
                run.progress.at(number + 1, run.count, "writing session")
            has_ended = number % 2 == 1
            session_id = await write(raw, has_ended=has_ended)
            if not has_ended:
                live.append(session_id)

    async with Raw(access) as raw:
        await asyncio.gather(*(work(raw) for _ in range(AT_ONCE)))
    return live[-1]


async def write(raw: Raw, *, has_ended: bool) -> str:
    """A Job with its record, and a pod; what others would write of either included."""
    access = raw.access
    launch = await made.new_launch()
    manifest = made.job_of(launch, access.namespace)
    recorded = made.record_of(launch.session, has_ended=has_ended)["metadata"]
    manifest["metadata"]["labels"] |= recorded["labels"]
    manifest["metadata"]["annotations"] |= recorded["annotations"]
    job: dict[str, Any] = msgspec.json.decode(await raw.send("POST", access.jobs, manifest))
    await give_pod(raw, job, has_ended=has_ended)
    return launch.session.id


async def give_pod(raw: Raw, job: dict[str, Any], *, has_ended: bool) -> None:
    """Write a Job's pod, and the status of both: all that others would."""
    access = raw.access
    made_pod = await raw.send("POST", access.pods, made.pod_of(job))
    pod = msgspec.json.decode(made_pod, type=_Named).metadata.name
    status = made.pod_status("Succeeded" if has_ended else "Running")
    await raw.send("PATCH", f"{access.pods}/{pod}/status", status, MERGE_PATCH)
    name = job["metadata"]["name"]
    await raw.send("PATCH", f"{access.jobs}/{name}/status", made.job_status(has_ended=has_ended), MERGE_PATCH)
