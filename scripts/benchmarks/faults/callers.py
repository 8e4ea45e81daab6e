"""All callers: `python -m scripts.benchmarks.faults.callers CONFIGURATION`, in JSON, until its input ends.

They start sessions with keys of their own, repeat a start whose answer they lost, stop some, watch some, and
ask ten times a second for a session that is not there, which only a controller that leads can answer.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from scripts.benchmarks.faults.lines import LineLog

START_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 60.0
"""How long a caller asks again for the same session."""
PROBE_SECONDS: Final = 0.1
STREAM_SILENCE_SECONDS: Final = 20.0
"""A comment comes every 15 s."""
NOTED_GAP_SECONDS: Final = 1.0
STOPPED_SHARE: Final = 0.15
WATCHED_SHARE: Final = 0.1
LOST_SHARE: Final = 0.05
MOST_WATCHED: Final = 50
ALL: Final = "all"


class CallersConfiguration(msgspec.Struct, frozen=True):
    """What the callers are told."""

    url: str
    log: str
    name: str
    seed: int
    rate: float
    seconds: float
    life_seconds: float


class Callers:
    """All callers of one run."""

    def __init__(self, configuration: CallersConfiguration) -> None:
        self.configuration = configuration
        self.log = LineLog(Path(configuration.log))
        self._rng = random.Random(configuration.seed)  # noqa: S311 - a seed that can be repeated
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched = 0
        self._heard: dict[str, float] = {}
        self._is_over = False

    async def run(self) -> None:
        async with (
            aiohttp.ClientSession(
                self.configuration.url, connector=aiohttp.TCPConnector(limit=0, force_close=True)
            ) as self._http,
            asyncio.TaskGroup() as forever,
        ):
            always = [forever.create_task(self._probe()), forever.create_task(self._watch_all())]
            starting = forever.create_task(self._start_all())
            await _end_of_input()
            self._is_over = True
            starting.cancel()
            for each in (*always, *self._tasks):
                each.cancel()

    async def _start_all(self) -> None:
        """At random moments, as callers call."""
        began, number, due = time.monotonic(), 0, 0.0
        while due < self.configuration.seconds:
            due += self._rng.expovariate(self.configuration.rate)
            number += 1
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            self._spawn(self._call(f"{self.configuration.name}-{number}", number))
        self.log.write("starts_over", number=number)

    def _spawn(self, caller: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(caller)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, session: str, number: int) -> None:
        rng = random.Random(self._rng.random())  # noqa: S311 - likewise
        if not await self._start(session, f"user-{number % 1000}", loses_one=rng.random() < LOST_SHARE):
            return
        if rng.random() < WATCHED_SHARE and self._watched < MOST_WATCHED:
            self._spawn(self._watch(session))
        if rng.random() < STOPPED_SHARE:
            await asyncio.sleep(rng.uniform(0, self.configuration.life_seconds))
            await self._stop(session)

    async def _start(self, session: str, user: str, *, loses_one: bool) -> bool:
        """Ask until there is an answer, with the same key. Return whether there is a session."""
        body = {"user_id": user, "session_id": session}
        began, pause, attempts, first = time.monotonic(), 0.5, 0, None
        while time.monotonic() - began < PATIENCE_SECONDS:
            attempts += 1
            status, answer, headers = await self._ask("POST", "/v1/sessions", START_SECONDS, body)
            took = round(time.monotonic() - began, 3)
            if status in (200, 201):
                if loses_one and first is None:
                    first = answer.get("created_at")
                    continue
                is_same = first is None or first == answer.get("created_at")
                self.log.write(
                    "start", session=session, status=status, attempts=attempts, took=took, is_same=is_same
                )
                return True
            code = answer.get("code", "")
            self.log.write("start_refused", session=session, status=status, code=code)
            if status in (400, 401, 403, 409, 413, 422):
                break
            pause = min(5.0, pause * 2)
            await asyncio.sleep(
                min(float(headers.get("Retry-After", pause)), 5.0) * self._rng.uniform(0.5, 1)
            )
        self.log.write("start_failed", session=session, attempts=attempts)
        return False

    async def _stop(self, session: str) -> None:
        began, status = time.monotonic(), 0
        self.log.write("stop_asked", session=session)
        while time.monotonic() - began < PATIENCE_SECONDS:
            status, _, _ = await self._ask("DELETE", f"/v1/sessions/{session}", START_SECONDS)
            if status in (200, 202, 404):
                break
            await asyncio.sleep(self._rng.uniform(0.5, 2))
        self.log.write("stop", session=session, status=status)

    async def _ask(
        self, method: str, path: str, within: float, body: Any = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status 0 stands for no answer."""
        limit = aiohttp.ClientTimeout(total=within)
        try:
            async with self._http.request(method, path, json=body, timeout=limit) as answer:
                return answer.status, await answer.json(content_type=None) or {}, dict(answer.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return 0, {"code": type(error).__name__}, {}

    async def _probe(self) -> None:
        async with asyncio.TaskGroup() as probes:
            while True:
                probes.create_task(self._probe_once())
                await asyncio.sleep(PROBE_SECONDS)

    async def _probe_once(self) -> None:
        sent = time.time()
        status, _, _ = await self._ask("GET", "/v1/sessions/nobody-has-this-id", 10.0)
        self.log.write("probe", sent=round(sent, 3), took=round(time.time() - sent, 3), status=status)

    async def _watch_all(self) -> None:
        """Events of all sessions: something happens all the time, so each gap is one."""
        while not self._is_over:
            await self._read_events("/v1/events", ALL)
            await asyncio.sleep(0.2)

    async def _watch(self, session: str) -> None:
        self._watched += 1
        try:
            while not self._is_over:
                last = await self._read_events(f"/v1/sessions/{session}/events", session)
                if last.get("phase") in ("ended", "failed", "unknown"):
                    self.log.write("end_seen", session=session, reason=last.get("reason"))
                    return
                await asyncio.sleep(0.2)
        finally:
            self._watched -= 1

    async def _read_events(self, path: str, name: str) -> dict[str, Any]:
        """Follow a stream until it ends. Return the last event, or one of phase `unknown` after a 404.

        A gap begins with the last event of all sessions' stream, and where one session's stream broke.
        """
        limit = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=STREAM_SILENCE_SECONDS)
        last: dict[str, Any] = {}
        is_reconnect = name in self._heard
        try:
            async with self._http.get(path, timeout=limit) as answer:
                if answer.status != 200:
                    return {"phase": "unknown"} if answer.status == 404 else last
                async for line in _lines(answer):
                    if not line.startswith(b"data:"):
                        continue
                    self._heard_event(name, is_reconnect=is_reconnect)
                    is_reconnect = False
                    if name != ALL:
                        last = msgspec.json.decode(line[5:])
                        if last.get("phase") in ("ended", "failed"):
                            return last
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            pass
        if name != ALL and not is_reconnect:
            self._heard[name] = time.time()
        return last

    def _heard_event(self, name: str, *, is_reconnect: bool) -> None:
        now, since = time.time(), self._heard.get(name)
        if since is not None and (is_reconnect or (name == ALL and now - since >= NOTED_GAP_SECONDS)):
            self.log.write(
                "gap", stream=name, begin=round(since, 3), seconds=round(now - since, 3),
                is_reconnect=is_reconnect,
            )  # fmt: skip
        self._heard[name] = now


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    configuration = msgspec.json.decode(sys.argv[1], type=CallersConfiguration)
    with suppress(asyncio.CancelledError):
        asyncio.run(Callers(configuration).run())


if __name__ == "__main__":
    main()
