"""All bots of a share of the pods: `python -m scripts.benchmarks.faults.bots CONFIGURATION`, in JSON.

A bot begins when its pod runs and follows its pod's life. Standard input takes orders, one JSON object a
line: `kill` bots, `lose` the machines of nodes, let nodes be `deaf` to the API server or `hear` it again,
`finish`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import ssl
import sys
import zlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from scripts.benchmarks.faults.lines import LineLog
from scripts.benchmarks.faults.scripted_bot import Identity, ScriptedBot

LAUNCH: Final = "podline.dev/launch-id"
SESSION: Final = "podline.dev/session-id"
MERGE: Final = "application/merge-patch+json"
WATCH_SECONDS: Final = 60
PAUSE_SECONDS: Final = 0.3


class BotsConfiguration(msgspec.Struct, frozen=True):
    """What one process is told: its share is `index` of `of`."""

    api: str
    token: str
    authority: str
    namespace: str
    log: str
    index: int
    of: int
    seed: int
    life_seconds: float
    report_seconds: float


class _State(msgspec.Struct):
    phase: str = ""


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _SecretRef(msgspec.Struct):
    name: str = ""


class _Source(msgspec.Struct, rename="camel"):
    secret_ref: _SecretRef | None = None


class _Container(msgspec.Struct, rename="camel"):
    env: list[_Variable] = []
    env_from: list[_Source] = []


class _Spec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    containers: list[_Container] = []


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None
    resource_version: str = ""


class PlayedPod(msgspec.Struct):
    """As much of a pod as its bot needs."""

    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _State = msgspec.field(default_factory=_State)


class _List(msgspec.Struct):
    metadata: _Meta
    items: list[PlayedPod] = []


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class Bots:
    """The bots of this process, by launch."""

    def __init__(self, configuration: BotsConfiguration) -> None:
        self.configuration = configuration
        self.log = LineLog(Path(configuration.log))
        self.bots: dict[str, tuple[ScriptedBot, asyncio.Task[None]]] = {}
        self.deaf: set[str] = set()
        self.lost: set[str] = set()
        self.is_finishing = False
        self._seen: set[str] = set()
        self._rng = random.Random(configuration.seed)  # noqa: S311 - a seed that can be repeated
        self._pods = f"/api/v1/namespaces/{configuration.namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{configuration.namespace}/secrets"
        self._list_again = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self) -> None:
        context = ssl.create_default_context(cafile=self.configuration.authority)
        async with aiohttp.ClientSession(
            self.configuration.api,
            connector=aiohttp.TCPConnector(ssl=context, limit=50),
            headers={"Authorization": f"Bearer {self.configuration.token}"},
        ) as self._api:
            watching = asyncio.create_task(self._watch())
            await self._obey()
            watching.cancel()
            for _, task in self.bots.values():
                task.cancel()
            await asyncio.gather(watching, *(task for _, task in self.bots.values()), return_exceptions=True)

    async def _obey(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            order = json.loads(line)
            match order:
                case {"kill": count, "how": how}:
                    self._kill(count, how)
                case {"lose": nodes}:
                    self.lost.update(nodes)
                    self._lose(set(nodes))
                case {"deaf": nodes}:
                    self.deaf.update(nodes)
                case {"hear": nodes}:
                    self.deaf.difference_update(nodes)
                    self._list_again.set()
                case {"finish": seconds}:
                    self.is_finishing = True
                    for bot, _ in self.bots.values():
                        bot.shorten(self._rng.uniform(0, seconds))

    def _kill(self, count: int, how: str) -> None:
        """End some at once, without a word, as the kernel does; then let their kubelet find out."""
        chosen = self._rng.sample(sorted(self.bots), min(count, len(self.bots)))
        for launch in chosen:
            bot, _ = self.bots[launch]
            self._die(launch, "killed", how=how)
            marks = {"fate.test/end": how}
            if (report := bot.last_report()) is not None:
                marks["fate.test/final-report"] = json.dumps(report)
            self._spawn(self._annotate(bot.identity.pod, marks))

    def _lose(self, nodes: set[str]) -> None:
        for launch, (bot, _) in list(self.bots.items()):
            if bot.identity.node in nodes:
                self._die(launch, "machine_lost")

    def _die(self, launch: str, kind: str, **fields: Any) -> None:
        bot, task = self.bots.pop(launch)
        task.cancel()
        bot.note_end(kind, **fields)

    async def _watch(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
                version = await self._list()
                watching = asyncio.create_task(self._follow(version))
                again = asyncio.create_task(self._list_again.wait())
                try:
                    await asyncio.wait([watching, again], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    again.cancel()
                    watching.cancel()
                    await asyncio.gather(watching, again, return_exceptions=True)
                self._list_again.clear()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self) -> str:
        async with self._api.get(
            self._pods,
            params={"labelSelector": LAUNCH, "resourceVersion": "0"},
            timeout=aiohttp.ClientTimeout(total=30),
        ) as answer:
            answer.raise_for_status()
            found = msgspec.json.decode(await answer.read(), type=_List)
        names = {pod.metadata.labels.get(LAUNCH, "") for pod in found.items}
        for pod in found.items:
            self._changed(pod)
        for launch, (bot, _) in list(self.bots.items()):
            if launch not in names and bot.identity.node not in self.deaf and not bot.is_leaving:
                self._die(launch, "pod_gone")
        return found.metadata.resource_version

    async def _follow(self, version: str) -> None:
        query = {"labelSelector": LAUNCH, "watch": "1", "resourceVersion": version}
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        limit = aiohttp.ClientTimeout(total=None, sock_read=WATCH_SECONDS + 10)
        async with self._api.get(self._pods, params=query, timeout=limit) as answer:
            answer.raise_for_status()
            async for line in _lines(answer):
                event = msgspec.json.decode(line, type=_Event)
                if event.type == "ERROR":
                    return
                pod = msgspec.json.decode(event.object, type=PlayedPod)
                if event.type == "DELETED":
                    self._gone(pod)
                else:
                    self._changed(pod)

    def _changed(self, pod: PlayedPod) -> None:
        launch = pod.metadata.labels.get(LAUNCH, "")
        if not launch or zlib.crc32(launch.encode()) % self.configuration.of != self.configuration.index:
            return
        if pod.spec.node_name in self.deaf:
            return
        if pod.status.phase in ("Succeeded", "Failed"):
            if launch in self.bots and not self.bots[launch][0].is_leaving:
                self._die(launch, "container_ended")
        elif pod.metadata.deletion_timestamp is not None:
            if launch in self.bots:
                self.bots[launch][0].ask_to_leave("terminated")
        elif pod.status.phase == "Running" and launch not in self._seen:
            self._seen.add(launch)
            if pod.spec.node_name not in self.lost:
                self._spawn(self._begin(pod, launch))

    def _gone(self, pod: PlayedPod) -> None:
        launch = pod.metadata.labels.get(LAUNCH, "")
        if (
            launch in self.bots
            and pod.spec.node_name not in self.deaf
            and not self.bots[launch][0].is_leaving
        ):
            self._die(launch, "pod_gone")

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, pod: PlayedPod, launch: str) -> None:
        """Start the bot with its Secret, which a kubelet waits for."""
        container = pod.spec.containers[0]
        variables = {each.name: each.value for each in container.env}
        name = next(each.secret_ref.name for each in reversed(container.env_from) if each.secret_ref)
        data = await self._secret(name)
        if data is None:
            self.log.write("no_secret", launch=launch, session=pod.metadata.annotations.get(SESSION, ""))
            return
        identity = Identity(
            launch=launch,
            session=pod.metadata.annotations.get(SESSION, ""),
            pod=pod.metadata.name,
            node=pod.spec.node_name,
            url=variables["PODLINE_CONTROLLER_URL"],
            token=base64.b64decode(data["PODLINE_LAUNCH_TOKEN"]).decode(),
        )
        life = min(self._rng.expovariate(1 / self.configuration.life_seconds), 1500)
        if self.is_finishing:
            life = min(life, self._rng.uniform(0, 5))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=3)) as http:
            bot = ScriptedBot(
                identity=identity,
                http=http,
                log=self.log,
                leave=lambda reason, report, code: self._leave(identity.pod, reason, report, code),
                life_seconds=max(1.0, life),
                report_seconds=self.configuration.report_seconds,
                rng=random.Random(self._rng.random()),  # noqa: S311 - likewise
            )
            task = asyncio.create_task(bot.run())
            self.bots[launch] = bot, task
            await asyncio.gather(task, return_exceptions=True)
            self.bots.pop(launch, None)

    async def _secret(self, name: str) -> dict[str, str] | None:
        """Read a Secret, for as long as a kubelet of a test waits for it."""
        for _ in range(100):
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._api.get(
                    f"{self._secrets}/{name}", timeout=aiohttp.ClientTimeout(total=5)
                ) as answer:
                    if answer.status == 200:
                        found: dict[str, str] = (await answer.json())["data"]
                        return found
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _leave(self, pod: str, reason: str, report: dict[str, Any], code: int) -> bool:  # noqa: ARG002
        marks = {
            "fate.test/final-report": json.dumps(report),
            "fate.test/stop-code": str(code),
            "fate.test/stop-takes": "0s",
            "fate.test/end": f"exit-{code}",
        }
        return await self._annotate(pod, marks)

    async def _annotate(self, pod: str, marks: dict[str, str]) -> bool:
        """Mark a pod, as often as it takes; return False if it is gone."""
        body = json.dumps({"metadata": {"annotations": marks}})
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._api.patch(
                    f"{self._pods}/{pod}",
                    data=body,
                    headers={"Content-Type": MERGE},
                    timeout=aiohttp.ClientTimeout(total=10),
                ) as answer:
                    if answer.status == 200:
                        return True
                    if answer.status == 404:
                        return False
            await asyncio.sleep(PAUSE_SECONDS)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def main() -> None:
    configuration = msgspec.json.decode(sys.argv[1], type=BotsConfiguration)
    asyncio.run(Bots(configuration).run())


if __name__ == "__main__":
    main()
