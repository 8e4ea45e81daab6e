"""Requests to the API server are counted and timed, and the age of each watch is shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.collection import WatchHealth
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector, verb_of
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.controllers.metered import Scrape
from testing.fakes.kubernetes.api_server import serve_api
from tests.unit.controller.runtimes.kubernetes.serving import access_to, add_job, following, watching


@pytest.mark.parametrize(
    ("method", "query", "verb"),
    [
        ("GET", {}, "get"),
        ("GET", {"container": "bot", "follow": "true"}, "get"),
        ("GET", {"labelSelector": "x", "limit": 500}, "list"),
        ("GET", {"watch": "true", "resourceVersion": "1"}, "watch"),
        ("POST", {"dryRun": "All"}, "create"),
        ("PATCH", {}, "patch"),
        ("DELETE", {}, "delete"),
        ("BREW", {}, "other"),
    ],
)
def test_a_request_has_the_verb_that_kubernetes_gives_it(
    method: str, query: dict[str, Any], verb: str
) -> None:
    assert verb_of(method, query) == verb


async def test_each_request_is_counted_with_its_answer_or_without() -> None:
    registry = CollectorRegistry()
    async with serve_api() as server:
        add_job(server, "a")
        with access_to(server) as access:
            async with Api(access, ApiMetrics(registry).answered) as api:
                client = NamespaceClient(api, "podline")
                await client.find_job("a")
                await client.find_job("b")
                for _ in range(2):  # the client asks once more by itself
                    server.misbehave("reset_before")
                with pytest.raises(ApiError):
                    await client.find_job("a")

    seen = Scrape(registry)
    for code in ("200", "404", "unreachable"):
        assert seen.value("kubernetes_requests_total", verb="get", code=code) == 1, code
    assert seen.value("kubernetes_request_duration_seconds_count", verb="get") == 3


def age_of(watch: WatchHealth) -> float:
    age = watch.age()
    assert age is not None
    return age


@at_once_with_sockets
async def test_a_watch_is_as_old_as_its_last_sign_of_life() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        await watched.until(lambda: bool(server.watches("jobs")))
        began = health.age()
        assert began is not None
        add_job(server, "a")
        await watched.until(lambda: watched.names == {"a"})
        assert age_of(health) < 1

        await asyncio.sleep(20)
        assert 20 <= age_of(health) < 25
        await asyncio.sleep(600)
        assert age_of(health) < 60, "a watch is renewed"


@at_once_with_sockets
async def test_a_watch_that_hears_nothing_any_more_grows_old() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        await watched.until(lambda: bool(server.watches("jobs")))
        for _ in range(1000):
            server.misbehave("reset_before")
        await asyncio.sleep(300)

        assert age_of(health) > 60


@at_once_with_sockets
async def test_age_lists_and_pending_writes_are_read_off_the_runtime() -> None:
    registry = CollectorRegistry()
    async with serve_api() as server, following(server) as followed:
        registry.register(ClusterCollector(followed.runtime))
        seen = Scrape(registry)

    for resource in ("jobs", "pods"):
        assert seen.value("kubernetes_relists_total", resource=resource) == 1
        assert seen.value("kubernetes_watch_age_seconds", resource=resource) < 60
    assert ("kubernetes_writes_pending", frozenset()) in seen.samples
