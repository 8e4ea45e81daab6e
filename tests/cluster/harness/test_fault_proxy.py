"""The fault proxy breaks what a test orders, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from testing.cluster.control_plane import ControlPlane
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.faults import (
    Delay,
    ErrorEvent,
    HalfOpen,
    ProxiedRequest,
    ProxyFault,
    Refuse,
    ResetAfter,
    ResetBefore,
)

LONG = 1.0
"""Far longer than any answer takes."""


@pytest.fixture
async def proxy(plane: ControlPlane) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(plane) as running:
        yield running


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(proxy.url) as session:
        yield session


@pytest.fixture
def secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


async def next_event(watch: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):
        event: dict[str, Any] = json.loads(await watch.content.readline())
        return event


@contextlib.asynccontextmanager
async def open_watch(client: aiohttp.ClientSession, secrets: str) -> AsyncIterator[aiohttp.ClientResponse]:
    listed = await (await client.get(secrets)).json()
    version = listed["metadata"]["resourceVersion"]
    async with client.get(secrets, params={"watch": "1", "resourceVersion": version}) as watch:
        yield watch


@pytest.mark.parametrize(
    ("path", "resource", "name"),
    [
        ("/apis/batch/v1/namespaces/x/jobs", "jobs", ""),
        ("/apis/batch/v1/namespaces/x/jobs/one", "jobs", "one"),
        ("/apis/batch/v1/jobs", "jobs", ""),
        ("/api/v1/namespaces/x/pods/one/log", "pods/log", "one"),
        ("/api/v1/namespaces/x", "namespaces", "x"),
        ("/api/v1/nodes", "nodes", ""),
        ("/readyz", "/readyz", ""),
    ],
)
def test_a_path_names_a_resource(path: str, resource: str, name: str) -> None:
    asked = ProxiedRequest("GET", path, {})

    assert (asked.resource, asked.name) == (resource, name)


async def test_what_goes_through_is_counted(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    created = await client.post(secrets, json=named("one"))
    missing = await client.get(f"{secrets}/nobody")

    assert (created.status, missing.status) == (201, 404)
    assert proxy.counts == {("POST", "secrets", 201): 1, ("GET", "secrets", 404): 1}


async def test_kubectl_speaks_through_it(proxy: FaultProxy, plane: ControlPlane) -> None:
    assert "fake-0" in await plane.kubectl("--kubeconfig", str(proxy.kubeconfig), "get", "nodes")


async def test_a_requests_own_token_counts(
    client: aiohttp.ClientSession, plane: ControlPlane, secrets: str
) -> None:
    answer = await client.get(secrets, headers={"Authorization": f"Bearer {plane.controller_token}"})

    assert answer.status == 403


async def test_an_event_of_a_watch_comes_at_once(client: aiohttp.ClientSession, secrets: str) -> None:
    async with open_watch(client, secrets) as watch:
        await client.post(secrets, json=named("one"))

        assert (await next_event(watch))["object"]["metadata"]["name"] == "one"


async def test_an_error_is_answered_as_often_as_it_counts(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(Refuse(429, "TooManyRequests", retry_after=1), count=1))

    refused = await client.get(secrets)

    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (await refused.json())["reason"] == "TooManyRequests"
    assert (await client.get(secrets)).status == 200


async def test_a_fault_leaves_alone_what_it_does_not_match(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(Refuse(500), lambda asked: asked.method == "POST"))

    assert (await client.get(secrets)).status == 200


async def test_a_version_too_old_is_an_event_of_a_watch(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(ErrorEvent(), lambda asked: asked.watching))

    async with open_watch(client, secrets) as watch:
        assert watch.status == 200
        event = await next_event(watch)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_request_that_is_reset_before_has_no_effect(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(ResetBefore(), count=1))

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(secrets, json=named("one"))

    assert (await client.get(f"{secrets}/one")).status == 404
    assert proxy.counts["POST", "secrets", 0] == 1


async def test_a_request_that_is_reset_after_has_had_its_effect(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(ResetAfter(), count=1))

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(secrets, json=named("one"))

    assert (await client.get(f"{secrets}/one")).status == 200


async def test_a_delayed_request_arrives_in_the_end(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(Delay(0.2), count=1))
    began = asyncio.get_running_loop().time()

    assert (await client.get(secrets)).status == 200
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_a_half_open_request_hangs(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(HalfOpen(), count=1))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LONG):
            await client.get(secrets)


async def test_a_half_open_watch_begins_and_is_silent(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    proxy.faults.append(ProxyFault(HalfOpen(), lambda asked: asked.watching))
    async with open_watch(client, secrets) as watch:
        await client.post(secrets, json=named("one"))

        assert watch.status == 200
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await watch.content.readline()


async def test_watches_can_be_cut(proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str) -> None:
    async with open_watch(client, secrets) as watch:
        await proxy.until(lambda: proxy.watches("secrets") == 1)

        proxy.cut()

        with pytest.raises(aiohttp.ClientError):
            await watch.content.read()
        await proxy.until(lambda: proxy.watches("secrets") == 0)


async def test_what_was_frozen_comes_when_it_is_thawed(
    proxy: FaultProxy, client: aiohttp.ClientSession, plane: ControlPlane, secrets: str
) -> None:
    async with open_watch(client, secrets) as watch:
        proxy.freeze()
        await plane.api("POST", secrets, named("one"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await watch.content.readline()

        proxy.thaw()

        assert (await next_event(watch))["object"]["metadata"]["name"] == "one"


async def test_a_watch_that_was_silenced_stays_so_and_open_while_others_hear(
    proxy: FaultProxy, client: aiohttp.ClientSession, plane: ControlPlane, secrets: str
) -> None:
    async with open_watch(client, secrets) as silent:
        proxy.silence_watches()
        async with open_watch(client, secrets) as watch:
            await plane.api("POST", secrets, named("one"))

            assert (await next_event(watch))["object"]["metadata"]["name"] == "one"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(LONG):
                    await silent.content.readline()
            assert proxy.watches("secrets") == 2


async def test_nobody_listens_while_it_is_down(
    proxy: FaultProxy, client: aiohttp.ClientSession, secrets: str
) -> None:
    async with open_watch(client, secrets) as watch:
        proxy.down()

        with pytest.raises(aiohttp.ClientError):
            await watch.content.read()
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(secrets)
        await proxy.up()
        assert (await client.get(secrets)).status == 200


async def test_chaos_repeats_itself(plane: ControlPlane, secrets: str) -> None:
    async def run() -> list[int]:
        async with FaultProxy(plane, seed=7) as proxy, aiohttp.ClientSession(proxy.url) as client:
            proxy.faults.append(ProxyFault(Refuse(500), probability=0.5))
            return [(await client.get(secrets)).status for _ in range(20)]

    first = await run()

    assert set(first) == {200, 500}
    assert first == await run()
