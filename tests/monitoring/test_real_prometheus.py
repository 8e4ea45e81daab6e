"""Boards and rules over a real Prometheus that has scraped a real run of more than 50 calls."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI

from controller.core.leadership import SoleController, TakeoverCause
from controller.core.pool_plan import WarmStage
from controller.core.primitives.clock import system_clock
from controller.core.session import Timeline
from controller.observe.agent_gauges import AgentGauges
from controller.observe.metrics import Metrics
from controller.observe.prices import read_prices
from controller.observe.replica_metrics import ProxyOutcome
from controller.observe.warm_metrics import ClaimResult
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from controller.web.services import Services
from testing.builds.prometheus import program
from testing.fakes.controllers.served import Controller, serve_controller
from testing.fakes.controllers.sessions import some_session
from testing.fakes.kubernetes.api_server import serve_api
from testing.fakes.kubernetes.kubeconfig import write_kubeconfig
from testing.servers.prometheus import QueriedPrometheus, prometheus
from tests.monitoring.queries import Panel, panels
from tests.unit.controller.runtimes.kubernetes import made

TALKER = (sys.executable, "-S", str(Path(__file__).with_name("talker.py")))
PRICES = """
currency = "USD"
[[prices]]
model = "gemini-live"
from = 2026-01-01
input = { text = 5000, audio = 30000 }
output = { text = 20000, audio = 120000 }
"""
AT_ONCE = 5
FATES = ["leaves"] * 9 + ["lost"] + ["leaves"] * 42 + ["refused"] * 8

FIRING = {
    "PodlineStartsBurnFast",
    "PodlineStartsBurnSlow",
    "PodlineFailuresBurnFast",
    "PodlineFailuresBurnSlow",
    "PodlineModelRefused",
    "PodlineCallersWait",
    "PodlineReportsLost",
    "PodlineCost",
    "PodlineUnpriced",
}


async def hold_calls(controller: Controller) -> None:
    """A wave at a time; at the end one call over capacity, and a report from a stranger."""
    for first in range(0, len(FATES), AT_ONCE):
        wave = list(enumerate(FATES))[first : first + AT_ONCE]
        started = await asyncio.gather(
            *(controller.start(user_id=f"{fate}.{number}") for number, fate in wave)
        )
        if first == 0:
            refused = await controller.client.post("/v1/sessions", json={"user_id": "leaves.1000"})
            assert refused.status_code == 429
        await asyncio.gather(*(controller.until_over(each["id"]) for each in started))
    await controller.client.post(f"{controller.url_for_bots}/internal/launches/none/reports", json={})


@contextlib.asynccontextmanager
async def cluster_beside(controller: Controller, directory: Path) -> AsyncIterator[KubernetesRuntime]:
    """A runtime for Kubernetes that is measured beside the controller's own, over a fake API server."""
    registry = services_of(controller).metrics.registry
    async with serve_api() as server:
        runtime = KubernetesRuntime(
            api=Api(
                Access(str(write_kubeconfig(directory / "kubeconfig", server.url, token="a-token"))),
                ApiMetrics(registry).answered,
            ),
            namespace="podline",
            template=made.template(),
            grace_seconds=30,
            keep_ended_seconds=3600,
            clock=system_clock(),
            rng=random.Random(1),  # noqa: S311 - the same each time
        )
        registry.register(ClusterCollector(runtime))
        following = asyncio.create_task(_watch(runtime))
        try:
            yield runtime
        finally:
            following.cancel()
            await asyncio.wait([following])


class Renewed(SoleController):
    """Leads, as if by a Lease."""

    renewal_age = 0.5


def services_of(controller: Controller) -> Services:
    app = controller.server.config.app
    assert isinstance(app, FastAPI)
    services: Services = app.state.services
    return services


def act_as_a_replica(services: Services) -> None:
    """Count a take-over, and one request of each outcome that was passed on."""
    services.replica.metrics.took_over(TakeoverCause.EXPIRY)
    services.replica.metrics.served_after(0.2)
    for outcome in ProxyOutcome:
        services.proxied.proxied(outcome)


def show_a_pool(metrics: Metrics) -> None:
    """Show warm bots of an agent beside the controller's own."""
    metrics.registry.register(
        AgentGauges(
            list,
            dict,
            lambda: {"clerk": {WarmStage.READY: 2, WarmStage.STARTING: 1}},
            lambda: {"clerk": 3},
            lambda: True,
        )
    )
    metrics.agent_known("clerk")
    metrics.warm.agent_known("clerk")


def claim_a_bot(metrics: Metrics) -> None:
    """Count the start of a session that takes a warm bot, as the supervisor does."""
    now = datetime.now(UTC)
    timeline = Timeline(accepted=now, launched=now, joined=now + timedelta(seconds=0.1))
    session = some_session(agent="clerk", cold_start=False, timeline=timeline)
    metrics.started(session)
    metrics.warm.claim_ended("clerk", ClaimResult.CLAIMED)
    metrics.warm.started(1.5)
    metrics.warm.waited(session, 20.0)
    metrics.warm.idled("clerk", 20.0)
    metrics.warm.joined(session)


async def _watch(runtime: KubernetesRuntime) -> None:
    async for _ in runtime.watch():
        pass


async def without_data(prometheus: QueriedPrometheus, panel: Panel) -> list[str]:
    """The queries of a panel that have nothing to show."""
    ask = prometheus.now if panel.content["type"] == "stat" else prometheus.over_time
    return [each for each in panel.expressions if not await ask(each)]


async def test_each_panel_has_data_and_alerts_tell_what_happened(tmp_path: Path) -> None:
    program("prometheus")
    (tmp_path / "prices.toml").write_text(PRICES, encoding="utf-8")
    prices = read_prices(tmp_path / "prices.toml")
    async with (
        serve_controller(
            tmp_path, command=TALKER, prices=prices, capacity=AT_ONCE, leadership=Renewed()
        ) as controller,
        cluster_beside(controller, tmp_path) as cluster,
        prometheus(tmp_path, str(controller.client.base_url.netloc.decode())) as seen,
    ):
        services = services_of(controller)
        show_a_pool(services.metrics)
        await seen.until("podline_ready")
        await cluster.launch(made.launch())
        await hold_calls(controller)
        act_as_a_replica(services)
        claim_a_bot(services.metrics)
        await cluster.launch(made.launch())
        await seen.until(f"sum(podline_session_ends_total) == {len(FATES)}")
        for alert in FIRING:
            await seen.until(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')

        empty = {panel.name: missing for panel in panels() if (missing := await without_data(seen, panel))}
        firing = await seen.ask("query", query='ALERTS{alertstate="firing"}')
        exemplars = await seen.exemplars("podline_session_start_seconds_bucket")
        namespaces = await seen.ask("label/namespace/values", **{"match[]": "podline_ready"})
        models = await seen.ask("label/model/values", **{"match[]": "podline_tokens_total"})

    assert empty == {}
    assert {each["metric"]["alertname"] for each in firing["result"]} == FIRING
    assert exemplars == [], "there are no traces here, and nothing else leads to a call"
    assert (namespaces, models) == (["voice"], ["gemini-live", "other"])
