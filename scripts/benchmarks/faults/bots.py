"""All bots of a share of the pods: `python -m scripts.benchmarks.faults.bots CONFIGURATION`, in JSON.

A bot begins when its pod runs and follows its pod's life. Standard input takes orders, one JSON object a
line: `kill` bots, `lose` the machines of nodes, let nodes be `deaf` to the API server or `hear` it again,
`finish`.
"""

from __future__ import annotations

import asyncio
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
from scripts.benchmarks.faults.pods import PlayedPod, PodEvent, PodList
from scripts.benchmarks.faults.real_bot import RealBot
from scripts.benchmarks.faults.scripted_bot import Identity, ScriptedBot

LAUNCH: Final = "podline.dev/launch-id"
SESSION: Final = "podline.dev/session-id"
MERGE: Final = "application/merge-patch+json"
WATCH_SECONDS: Final = 60
PAUSE_SECONDS: Final = 0.3


class BotsConfiguration(msgspec.Struct, frozen=True):
    """What one process is told: its share is `index` of `of`, and it runs `real` bots at a time at most."""

    api: str
    token: str
    authority: str
    namespace: str
    log: str
    index: int
    of: int
    real: int
    real_directory: str
    seed: int
    life_seconds: float
    report_seconds: float


class Bots:
    """The bots of this process, by launch."""

    def __init__(self, configuration: BotsConfiguration) -> None:
        self.configuration = configuration
        self.log = LineLog(Path(configuration.log))
        self.bots: dict[str, tuple[ScriptedBot | RealBot, asyncio.Task[None]]] = {}
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
        """End some at once, without a word, as the kernel does, and the oldest real one; then mark them."""
        here = sorted(launch for launch, (bot, _) in self.bots.items() if not bot.is_leaving)
        chosen = self._rng.sample(here, min(count, len(here)))
        real = [launch for launch in here if isinstance(self.bots[launch][0], RealBot)]
        # Launches are numbered in the order of their time.
        for launch in {*chosen, *real[:1]}:
            self._spawn(self._found_dead(*self.bots[launch], how))
            self._die(launch, "killed", how=how)

    async def _found_dead(self, bot: ScriptedBot | RealBot, task: asyncio.Task[None], how: str) -> None:
        await asyncio.wait([task])
        await self._mark(bot.identity.pod, bot.last_report(), {"fate.test/end": how})

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
            found = msgspec.json.decode(await answer.read(), type=PodList)
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
                event = msgspec.json.decode(line, type=PodEvent)
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
        secret = await self._secret(pod.secret)
        if secret is None:
            self.log.write("no_secret", launch=launch, session=pod.metadata.annotations.get(SESSION, ""))
            return
        life = min(self._rng.expovariate(1 / self.configuration.life_seconds), 1500)
        if self.is_finishing:
            life = min(life, self._rng.uniform(0, 5))
        rng = random.Random(self._rng.random())  # noqa: S311 - likewise
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=3)) as http:
            bot = self._bot(pod, pod.environment(secret), max(1.0, life), rng, http)
            task = asyncio.create_task(bot.run())
            self.bots[launch] = bot, task
            await asyncio.gather(task, return_exceptions=True)
            self.bots.pop(launch, None)

    def _bot(
        self,
        pod: PlayedPod,
        variables: dict[str, str],
        life: float,
        rng: random.Random,
        http: aiohttp.ClientSession,
    ) -> ScriptedBot | RealBot:
        """Make a real bot as long as there are too few, else a scripted one."""
        name = pod.metadata.name
        identity = Identity(
            launch=variables["PODLINE_LAUNCH_ID"],
            session=pod.metadata.annotations.get(SESSION, ""),
            pod=name,
            node=pod.spec.node_name,
            url=variables["PODLINE_CONTROLLER_URL"],
            token=variables["PODLINE_LAUNCH_TOKEN"],
        )
        if sum(isinstance(each, RealBot) for each, _ in self.bots.values()) < self.configuration.real:
            return RealBot(
                identity=identity,
                environment=variables,
                directory=Path(self.configuration.real_directory) / identity.launch,
                log=self.log,
                leave=lambda report, code: self._leave(name, report, code),
                life_seconds=life,
                grace_seconds=pod.spec.termination_grace_period_seconds,
                rng=rng,
            )
        return ScriptedBot(
            identity=identity,
            http=http,
            log=self.log,
            leave=lambda report, code: self._leave(name, report, code),
            life_seconds=life,
            report_seconds=self.configuration.report_seconds,
            rng=rng,
        )

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

    async def _leave(self, pod: str, report: dict[str, Any] | None, code: int) -> bool:
        stop = {"fate.test/stop-code": str(code), "fate.test/stop-takes": "0s"}
        return await self._mark(pod, report, {**stop, "fate.test/end": f"exit-{code}"})

    async def _mark(self, pod: str, report: dict[str, Any] | None, marks: dict[str, str]) -> bool:
        """Mark a pod with how its bot ended and its final report, if any; return False if it is gone."""
        word = {} if report is None else {"fate.test/final-report": json.dumps(report)}
        return await self._annotate(pod, {**marks, **word})

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
