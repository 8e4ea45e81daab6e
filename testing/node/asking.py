"""Clients that send requests all the time, while something happens to what serves them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import httpx

from testing.node.moving import PODS
from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite

LIST_EVERY_SECONDS: Final = 0.05
START_EVERY_SECONDS: Final = 0.25
LATE_SECONDS: Final = 3.0
"""How long a Service still leads to a pod that was told to end. A controller promises to serve for 5 s."""

_ANSWER_SECONDS: Final = 15.0
"""Longer than a controller holds a request. A request without an answer counts as failed."""


class Requests:
    """The requests so far, and which of them failed."""

    def __init__(self) -> None:
        self.sent = 0
        self.failures: list[str] = []
        self.slowest = 0.0
        self._began = time.monotonic()

    async def send(
        self, client: httpx.AsyncClient, method: str, wanted: Sequence[int], body: Any = None
    ) -> None:
        """Send a request about sessions, and note when and how it failed, if it did."""
        began = time.monotonic()
        self.sent += 1
        try:
            answer = await client.request(method, "/v1/sessions", json=body)
            failure = "" if answer.status_code in wanted else f"{answer.status_code} {answer.text}"
        except httpx.HTTPError as error:
            failure = f"{type(error).__name__} {error}".strip()
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        if failure:
            self.failures.append(f"{began - self._began:.2f} s: {method} {failure}, after {took:.2f} s")

    def __str__(self) -> str:
        """Every failure, on a line of its own."""
        failed = f"{len(self.failures)} of {self.sent} requests failed"
        return "\n".join([f"{failed}; the slowest took {self.slowest:.2f} s", *self.failures])


@contextlib.asynccontextmanager
async def asking(site: NodeSite, session_id: str) -> AsyncIterator[Requests]:
    """List all sessions and start one, again and again, until the end of the block.

    Each request opens a connection of its own, so that the Service sends it to any of its pods. None waits
    for the one before it. Repeated starts with one id make one session, so only the first costs a bot.
    """
    requests = Requests()
    start = {"session_id": session_id, "user_id": session_id}
    async with (
        httpx.AsyncClient(
            base_url=site.client.base_url,
            headers={"Authorization": site.client.headers["Authorization"]},
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=_ANSWER_SECONDS,
        ) as client,
        asyncio.TaskGroup() as under_way,
    ):

        async def list_them() -> None:
            while True:
                under_way.create_task(requests.send(client, "GET", [200]))
                await asyncio.sleep(LIST_EVERY_SECONDS)  # the rate

        async def start_one() -> None:
            while True:
                under_way.create_task(requests.send(client, "POST", [200, 201], start))
                await asyncio.sleep(START_EVERY_SECONDS)  # the rate

        lasting = [under_way.create_task(list_them()), under_way.create_task(start_one())]
        try:
            yield requests
        finally:
            for each in lasting:
                each.cancel()


@contextlib.asynccontextmanager
async def learning_late(cluster: NodeCluster, name: str) -> AsyncIterator[None]:
    """Let nodes learn late which pods of this name end, as in large clusters. These would know at once."""
    proxy, is_over = cluster.part("kube-proxy"), asyncio.Event()

    async def until(holds: Callable[[dict[str, Any]], bool]) -> None:
        await cluster.until(f"{PODS}{name}", lambda pods: is_over.is_set() or holds(pods))

    async def hold_up() -> None:
        try:
            while not is_over.is_set():
                proxy.freeze()
                await until(is_any_ending)
                await asyncio.sleep(LATE_SECONDS)  # the delay
                proxy.thaw()
                await until(lambda pods: not is_any_ending(pods))
        finally:
            proxy.thaw()

    holding_up = asyncio.create_task(hold_up())
    try:
        yield
    finally:
        is_over.set()
        await holding_up


def is_any_ending(pods: dict[str, Any]) -> bool:
    return any("deletionTimestamp" in pod["metadata"] for pod in pods["items"])
