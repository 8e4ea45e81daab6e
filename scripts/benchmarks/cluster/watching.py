"""A program that notes when it learns of each scheduled pod, by a bare watch or by the controller's stream.

`python -m scripts.benchmarks.cluster.watching pods ACCESS` or `... events URL` prints `ready` once following,
and when its standard input ends one line of JSON: by session, the moment on the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import aiohttp
import msgspec

from controller.runtimes.kubernetes import names
from scripts.benchmarks.cluster.raw import ApiAccess, Raw

EVERYTHING: Final = aiohttp.ClientTimeout(total=None)
QUIET_SECONDS: Final = 1.0
"""After this long without an event, a stream counts as caught up."""


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True):
    conditions: list[_Condition] = []


class _Annotations(msgspec.Struct, frozen=True):
    session_id: str = msgspec.field(name=names.SESSION_ID, default="")


class _Meta(msgspec.Struct, frozen=True):
    annotations: _Annotations = _Annotations()


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Meta
    status: _Status = _Status()

    @property
    def is_scheduled(self) -> bool:
        return any(each.type == "PodScheduled" and each.status == "True" for each in self.status.conditions)


class _Change(msgspec.Struct):
    object: _Pod


class _Timeline(msgspec.Struct):
    scheduled: datetime | None


class _Session(msgspec.Struct):
    id: str
    timeline: _Timeline


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[tuple[float, bytes]]:
    """Each line, and when its end came in."""
    rest = b""
    async for chunk in content.iter_any():
        now = time.monotonic()
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield now, line


async def watch_pods(access: ApiAccess, noted: dict[str, float]) -> None:
    decode = msgspec.json.Decoder(_Change).decode
    async with Raw(access) as raw:
        versions = [version async for _, version in raw.pages(access.pods)]
        query = {"watch": "true", "resourceVersion": versions[-1], "labelSelector": names.LAUNCH_ID}
        async with raw.http.get(access.pods, params=query, timeout=EVERYTHING) as answer:
            report("ready")
            async with aclosing(lines(answer.content)) as changes:  # type: ignore[type-var]
                async for now, line in changes:
                    pod = decode(line).object
                    if pod.is_scheduled:
                        noted.setdefault(pod.metadata.annotations.session_id, now)


async def watch_events(url: str, noted: dict[str, float]) -> None:
    decode = msgspec.json.Decoder(_Session).decode
    async with (
        aiohttp.ClientSession(timeout=EVERYTHING) as http,
        http.get(f"{url}/v1/events") as answer,
        asyncio.TaskGroup() as tasks,
    ):
        said_last = time.monotonic()

        async def tell_when_quiet() -> None:
            while (quiet := time.monotonic() - said_last) < QUIET_SECONDS:  # noqa: ASYNC110 - for time to pass
                await asyncio.sleep(QUIET_SECONDS - quiet)
            report("ready")

        tasks.create_task(tell_when_quiet())
        async for now, line in lines(answer.content):
            said_last = now
            if line.startswith(b"data: "):
                session = decode(line.removeprefix(b"data: "))
                if session.timeline.scheduled is not None:
                    noted.setdefault(session.id, now)


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(what: str, where: str) -> None:
    noted: dict[str, float] = {}
    watch: Any = (
        watch_pods(msgspec.json.decode(where, type=ApiAccess), noted)
        if what == "pods"
        else watch_events(where, noted)
    )
    watching = asyncio.create_task(watch)
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([watching, end], return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    watching.cancel()
    report(msgspec.json.encode(noted).decode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
