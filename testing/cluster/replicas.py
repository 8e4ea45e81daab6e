"""Two replicas of the controller as processes over one namespace, and who speaks to either."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx

from testing.cluster import clock_shift
from testing.cluster.control_plane import ControlPlane
from testing.cluster.controller_process import SERVE, ControllerProcess
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.paths import NamespacePaths
from testing.cluster.site import BASE, PlayedBot, secret_of, until_ready, write_template
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port

LEADS = "podline_leader 1.0"
_LOOK_SECONDS = 0.02


class ReplicaProcess:
    """One replica: a process, or one after another at the same ports."""

    def __init__(self, process: ControllerProcess) -> None:
        self.process = process
        self.client = httpx.AsyncClient(base_url=process.url, timeout=PATIENCE_SECONDS * 2)

    async def leads(self) -> bool:
        return LEADS in (await self.client.get("/metrics")).text

    async def until_it_leads(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.leads():  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(_LOOK_SECONDS)

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        await self.process.start()
        await self.process.ready()

    async def end(self, how: int = signal.SIGTERM) -> int | None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.end(how)

    async def restart(self, how: int = signal.SIGTERM) -> None:
        await self.end(how)
        await self.start()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.ended()

    async def reason(self) -> str | None:
        """Return why it is not ready."""
        return (await self.client.get("/readyz")).json().get("detail")  # type: ignore[no-any-return]

    async def until_not_ready(self, because: str) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while because not in (detail := await self.reason() or ""):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(_LOOK_SECONDS)
        return detail

    async def until_listening(self) -> None:
        """Wait until its process answers, ready or not."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await self.reason()
                except httpx.ConnectError:
                    await asyncio.sleep(_LOOK_SECONDS)  # seen from outside only
                else:
                    return

    async def post(self, session_id: str, **fields: Any) -> httpx.Response:
        """Ask for a session."""
        return await self.client.post(
            "/v1/sessions", json={"user_id": "ana", "session_id": session_id, **fields}
        )

    async def read(self, session_id: str) -> dict[str, Any]:
        session: dict[str, Any] = (await self.client.get(f"/v1/sessions/{session_id}")).json()
        return session

    async def watch(self, session_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what one event stream says of a session, until it ends or breaks."""
        try:
            async with self.client.stream("GET", f"/v1/sessions/{session_id}/events") as stream:
                async for line in stream.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx.RemoteProtocolError:
            return

    async def until(self, session_id: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Follow a session, as a client does that opens a stream again when one ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with aclosing(self.watch(session_id)) as states:
                    async for session in states:
                        if what(session):
                            return session


class Replicas(NamespacePaths):
    """Two replicas: `cuttable` reaches the API server through `proxy`, and `other` directly."""

    def __init__(
        self,
        plane: ControlPlane,
        namespace: str,
        proxy: FaultProxy,
        directory: Path,
        clock_shift_seconds: float | None = None,
    ) -> None:
        """With `clock_shift_seconds` their clocks can be put ahead or behind."""
        self.plane = plane
        self.namespace = namespace
        self.proxy = proxy
        self.cuttable, self.other = (
            ReplicaProcess(
                replica_process(
                    kubeconfig, namespace, directory / name, clock_shift_seconds=clock_shift_seconds
                )
            )
            for kubeconfig, name in ((proxy.kubeconfig, "cuttable"), (plane.kubeconfig, "other"))
        )

    @property
    def both(self) -> tuple[ReplicaProcess, ReplicaProcess]:
        return self.cuttable, self.other

    async def __aenter__(self) -> Self:
        await self.cuttable.start()
        await self.other.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self.both:
            await each.end(signal.SIGKILL)
            await each.client.aclose()

    def beside(self, one: ReplicaProcess) -> ReplicaProcess:
        return self.other if one is self.cuttable else self.cuttable

    async def led_by(self, wanted: ReplicaProcess) -> ReplicaProcess:
        """Make one of them lead, if it does not. Return the one that follows it."""
        follower = self.beside(wanted)
        for each in self.both:
            if not each.process.runs:
                await each.start()
        if await follower.leads():
            await follower.restart()
        await wanted.until_it_leads()
        await until_ready(follower.client)
        return follower

    async def job(self, session_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.plane.api("GET", f"{self.jobs}/{session_id}")
        return found

    async def versions(self) -> dict[str, str]:
        """Return the version of each Job."""
        jobs = (await self.plane.api("GET", self.jobs))["items"]
        return {job["metadata"]["name"]: job["metadata"]["resourceVersion"] for job in jobs}

    async def fate(self, session_id: str, **annotations: str) -> None:
        """Let what happens to the session's pod happen now."""
        path = f"{self.pods}?labelSelector=podline.dev/session={session_id}"
        pods = await self.plane.until(
            path, lambda pods: any(pod["status"].get("phase") == "Running" for pod in pods["items"])
        )
        marks = {f"fate.test/{name.replace('_', '-')}": value for name, value in annotations.items()}
        await self.plane.annotate(f"{self.pods}/{pods['items'][0]['metadata']['name']}", marks)

    async def until_recorded(self, session_id: str) -> dict[str, Any]:
        """Return the Job, once the end of its session stands on it."""
        found: dict[str, Any] = await self.plane.until(
            f"{self.jobs}/{session_id}", lambda job: "podline.dev/reason" in job["metadata"]["labels"]
        )
        return found

    async def live(self, at: ReplicaProcess, session_id: str) -> PlayedBot:
        """Start a session whose bot has joined, both at this replica."""
        answer = await at.post(session_id)
        assert answer.status_code == 201, answer.text
        bot = await self.bot(at, session_id)
        assert (await bot.report()).status_code == 200
        await at.until(session_id, lambda session: session["phase"] == "live")
        return bot

    async def bot(self, at: ReplicaProcess, session_id: str) -> PlayedBot:
        """Speak as the session's bot, with what its pod is given."""
        job = await self.job(session_id)
        secret = await self.plane.api("GET", f"{self.secrets}/{secret_of(job)}")
        token = base64.b64decode(secret["data"]["PODLINE_LAUNCH_TOKEN"]).decode()
        launch_id = job["metadata"]["labels"]["podline.dev/launch-id"]
        return PlayedBot(at.client, at.process.url_for_bots, launch_id, token)


def speak_to(bot: PlayedBot, at: ReplicaProcess) -> None:
    """Let a bot report to this replica from now on."""
    bot.client, bot.url = at.client, at.process.url_for_bots


def replica_process(
    kubeconfig: Path,
    namespace: str,
    directory: Path,
    fate: Mapping[str, str] | None = None,
    *,
    clock_shift_seconds: float | None = None,
) -> ControllerProcess:
    """Return one replica. With `clock_shift_seconds`, SIGUSR1 puts its clock ahead and SIGUSR2 behind."""
    directory.mkdir()
    has_clock = clock_shift_seconds is not None
    own = {clock_shift.SECONDS: f"{clock_shift_seconds:g}"} if has_clock else {}
    return ControllerProcess(
        kubeconfig,
        namespace,
        write_template(directory, fate or {}),
        module=clock_shift.__name__ if has_clock else SERVE,
        PODLINE_REPLICA_ADDRESS="127.0.0.1",
        PODLINE_REPLICAS_PORT=str(free_port()),
        PODLINE_CAPACITY="1000",
        PODLINE_SESSIONS_PER_USER="1000",
        PODLINE_GRACE_SECONDS="3",
        # Bots that are played report when a test says so.
        PODLINE_SILENCE_SECONDS="600",
        **own,
    )


@asynccontextmanager
async def two_replicas(
    plane: ControlPlane, namespace: str, clock_shift_seconds: float | None = None
) -> AsyncIterator[Replicas]:
    """Two replicas that are ready, of which `cuttable` leads."""
    for file in ("agents.yaml", "lease.yaml"):
        await plane.kubectl("apply", f"--namespace={namespace}", f"--filename={BASE / file}")
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="podline-replicas-")))
        proxy = await stack.enter_async_context(FaultProxy(plane))
        both = Replicas(plane, namespace, proxy, directory, clock_shift_seconds)
        yield await stack.enter_async_context(both)
