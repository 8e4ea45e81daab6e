"""A controller that is served over a test cluster, and what a bot in a fake pod would say to it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from controller.agents.cluster.assembly import cluster_agents
from controller.composition import compose
from controller.core.primitives.clock import system_clock
from controller.core.rooms import Rooms
from controller.core.tokens import Signer
from controller.core.tracing import Tracing
from controller.rooms.webrtc import WebRtcRooms
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.job.template import read_template
from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from controller.settings import Settings
from controller.web.auth import Key
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from testing.callers.keys import bearer
from testing.cluster.control_plane import ControlPlane
from testing.cluster.paths import NamespacePaths
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.served import PATIENCE_SECONDS, Controller, WebApp
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of

BASE = Path(__file__).parents[2] / "deploy" / "base"
SECRET = "a secret that outlives controllers"
LABELS = "app.kubernetes.io/name=podline-bot"


def write_template(directory: Path, fate: Mapping[str, str], *, is_vast: bool = False) -> Path:
    """The Job that ships, with the fate of its pods; a vast one fits no node."""
    job = yaml.safe_load((BASE / "bot-job.yaml").read_text(encoding="utf-8"))
    job["spec"]["template"]["metadata"]["annotations"] = dict(fate)
    if is_vast:
        job["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"memory": "10Pi"}}
    path = directory / "bot-job.yaml"
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


class NamespaceSite(NamespacePaths):
    """A controller over a namespace of the cluster, wherever it is served."""

    plane: ControlPlane

    @property
    def app(self) -> WebApp:
        """A web app that uses it."""
        raise NotImplementedError

    @property
    def url_for_bots(self) -> str:
        raise NotImplementedError

    @property
    def client(self) -> httpx.AsyncClient:
        return self.app.client

    async def start(self, **fields: Any) -> dict[str, Any]:
        return await self.app.start(**fields)

    async def job(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.plane.api("GET", f"{self.jobs}/{name}")
        return found

    async def pod(self, session_id: str, phase: str = "Running") -> dict[str, Any]:
        """The session's pod, once it is in this phase."""

        def in_phase(pods: Any) -> bool:
            return any(pod["status"].get("phase") == phase for pod in pods["items"])

        pods = await self.plane.until(f"{self.pods}?labelSelector=podline.dev/session={session_id}", in_phase)
        found: dict[str, Any] = pods["items"][0]
        return found

    async def fate(self, session_id: str, phase: str = "Running", **annotations: str) -> None:
        """Let what happens to the session's pod happen now."""
        pod = await self.pod(session_id, phase)
        marks = {f"fate.test/{name.replace('_', '-')}": value for name, value in annotations.items()}
        await self.plane.annotate(f"{self.pods}/{pod['metadata']['name']}", marks)

    async def until_over(self, session_id: str) -> dict[str, Any]:
        return await self.app.until_over(session_id)

    async def bot(self, session_id: str) -> PlayedBot:
        """Speak as the session's bot, with what its pod is given."""
        job = await self.job(session_id)
        secret = await self.plane.api("GET", f"{self.secrets}/{secret_of(job)}")
        token = base64.b64decode(secret["data"]["PODLINE_LAUNCH_TOKEN"]).decode()
        launch_id = job["metadata"]["labels"]["podline.dev/launch-id"]
        return PlayedBot(self.client, self.url_for_bots, launch_id, token)

    async def live(self, **fields: Any) -> tuple[dict[str, Any], PlayedBot]:
        """A session whose bot has joined."""
        session = await self.start(**fields)
        await self.pod(session["id"])
        bot = await self.bot(session["id"])
        assert (await bot.report()).status_code == 200
        return await self.app.until_live(session["id"]), bot

    async def until_marked(self, name: str, annotation: str) -> dict[str, Any]:
        """The Job, once it has this annotation."""
        found: dict[str, Any] = await self.plane.until(
            f"{self.jobs}/{name}", lambda job: annotation in job["metadata"]["annotations"]
        )
        return found

    async def until_recorded(self, name: str) -> dict[str, Any]:
        """The Job, once the end of its session stands on it."""
        found: dict[str, Any] = await self.plane.until(
            f"{self.jobs}/{name}", lambda job: "podline.dev/reason" in job["metadata"]["labels"]
        )
        return found


@dataclass
class ClusterSite(NamespaceSite):
    """A controller that is served in this process."""

    controller: Controller
    plane: ControlPlane
    namespace: str

    @property
    def app(self) -> Controller:
        return self.controller

    @property
    def url_for_bots(self) -> str:
        return self.controller.url_for_bots


def secret_of(job: Mapping[str, Any]) -> str:
    """The name of the Secret that the Job's bot starts with."""
    [bot] = job["spec"]["template"]["spec"]["containers"]
    name: str = bot["envFrom"][-1]["secretRef"]["name"]
    return name


@dataclass
class PlayedBot:
    """What a bot says to the controller, said by a test."""

    client: httpx.AsyncClient
    url: str
    launch_id: str
    token: str
    turns: int = 0
    sent: int = 0
    acknowledged: int = 0
    marks: dict[str, float] = field(default_factory=lambda: {"process_up": 0.5, "joined": 1.0})

    def speak_to(self, site: NamespaceSite) -> None:
        """Report to the controller of this site from now on."""
        self.client, self.url = site.client, site.url_for_bots

    async def report(self, turns: int = 1) -> httpx.Response:
        self.turns += turns
        self.sent += 1
        answer = await self.client.post(
            f"{self.url}/internal/launches/{self.launch_id}/reports",
            headers={"Authorization": f"Bearer {self.token}"},
            json={
                "seq": self.sent,
                "acked": self.acknowledged,
                "events": [{"type": "turn"}] * turns,
                "totals": self.totals(),
                "timeline": {"now": 2.0, **self.marks},
            },
        )
        if answer.status_code == 200:
            self.acknowledged = answer.json()["ack"]
        return answer

    def totals(self) -> dict[str, Any]:
        return {"turns": self.turns, "models": {"gemini": {"prompt_tokens": 10 * self.turns}}}

    def final_report(self, reason: str) -> dict[str, Any]:
        return {
            "reason": reason,
            "message": f"The bot says: {reason}.",
            "totals": self.totals(),
            "acked_totals": self.totals(),
            "timeline": {"now": 3.0, **self.marks},
        }


def make_server(
    settings: Settings,
    access: Access,
    namespace: str,
    watch_seconds: float = 45.0,
    rooms: Rooms | None = None,
    tracing: Tracing | None = None,
    *,
    has_agents: bool = False,
    keys: Sequence[Key] | None = None,
) -> Server:
    """Put a controller together as `podline serve` does, with the agents of the cluster if `has_agents`."""
    clock, signer, metrics = system_clock(), site_signer(), some_metrics()
    sockets = bind(settings)
    settings = with_bots_port(settings, sockets)
    assert settings.kubernetes.job_template is not None
    answered = ApiMetrics(metrics.registry).answered
    template = read_template(settings.kubernetes.job_template, namespace)
    rng = random.Random(1)  # noqa: S311 - spreads pauses
    client = NamespaceClient(Api(access, answered), namespace)
    of_cluster = cluster_agents(client, template, settings.limits, clock, rng, watch_seconds)
    runtime = KubernetesRuntime(
        api=Api(access, answered),
        namespace=namespace,
        template=of_cluster.template,
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        rng=random.Random(1),  # noqa: S311 - spreads pauses
        watch_seconds=watch_seconds,
        tracing=tracing,
    )
    metrics.registry.register(ClusterCollector(runtime))
    site_rooms = rooms or WebRtcRooms(settings.listeners.url_for_callers, signer)
    parts = fake_parts(
        agents=of_cluster.agents if has_agents else None,
        agent_editor=of_cluster.deployments if has_agents else None,
        secret_sets=of_cluster.secret_sets if has_agents else None,
        given_to=of_cluster.given_to,
        runtime=runtime,
        rooms=site_rooms,
        signer=signer,
        clock=clock,
        metrics=metrics,
        tracing=tracing,
        keys=keys,
    )
    return Server(compose(settings, parts), sockets)


@contextlib.asynccontextmanager
async def serve(
    plane: ControlPlane,
    namespace: str,
    directory: Path,
    *,
    fate: Mapping[str, str] | None = None,
    kubeconfig: Path | None = None,
    watch_seconds: float = 45.0,
    rooms: Rooms | None = None,
    tracing: Tracing | None = None,
    is_ready: bool = True,
    is_vast: bool = False,
    has_agents: bool = False,
    keys: Sequence[Key] | None = None,
    **settings: Any,
) -> AsyncIterator[ClusterSite]:
    """Serve a controller; returns when it is ready, unless a test wants to see how it is not."""
    if has_agents:
        await plane.kubectl("apply", f"--namespace={namespace}", f"--filename={BASE / 'agents.yaml'}")
    bots_port = free_port()
    chosen = settings_of(
        **{
            "runtime": "kubernetes",
            "port": free_port(),
            "bots_port": bots_port,
            "job_template": write_template(directory, fate or {}, is_vast=is_vast),
            "controller_url": f"http://127.0.0.1:{bots_port}",
            "secret": SECRET,
            "grace_seconds": 3,
            "sessions_per_user": 100,
            **settings,
        },
    )
    access = Access(str(kubeconfig or plane.kubeconfig))
    server = make_server(
        chosen, access, namespace, watch_seconds, rooms, tracing, has_agents=has_agents, keys=keys
    )
    serving = await started(server)
    async with httpx.AsyncClient(
        base_url=chosen.listeners.url_for_callers,
        timeout=PATIENCE_SECONDS * 2,
        headers=bearer("boss") if keys is not None else {},
    ) as client:
        controller = Controller(client, server, serving, directory)
        site = ClusterSite(controller, plane, namespace)
        try:
            if is_ready:
                await until_ready(client)
            yield site
        finally:
            await controller.leave()


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS * 2):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.02)


async def until_not_ready(client: httpx.AsyncClient, because: str = "") -> str:
    """Why it is not, once it is for this reason."""
    detail: str | None = None
    async with asyncio.timeout(PATIENCE_SECONDS * 2):
        while detail is None or because not in detail:
            await asyncio.sleep(0.02)  # seen from outside only
            detail = (await client.get("/readyz")).json().get("detail")
    return detail


def site_signer() -> Signer:
    """Of all controllers that are served here."""
    return Signer(SECRET.encode())
