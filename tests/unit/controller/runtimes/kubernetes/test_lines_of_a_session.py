"""Lines of the log about a Job or a pod name the session too, whoever was at work when they were written."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from controller.core.endings import ending_for
from controller.observe.logs import Formatter
from controller.runtimes.kubernetes.job.manifests import session_job
from podline.contract.reasons import Reason
from podline.logs import as_json
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import following

STOP = ending_for(Reason.STOPPED)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged of bots while a test runs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(as_json))
    logger = logging.getLogger("podline.runtimes.kubernetes")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def logged(stream: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for each in stream.getvalue().splitlines() if (line := json.loads(each))["event"] == event]


@at_once_with_sockets
async def test_a_stop_that_is_not_taken_names_the_session_it_is_for(lines: io.StringIO) -> None:
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        await followed.runtime.launch(made.launch())
        cluster.run("cart-7")
        server.misbehave("refuse", method="PATCH")
        await followed.runtime.stop(made.session(), STOP)
        await followed.exit()

    assert [line["session_id"] for line in logged(lines, "stop not taken")] == ["cart-7"]


@at_once_with_sockets
async def test_what_is_not_read_of_a_bot_that_was_found_names_its_session(lines: io.StringIO) -> None:
    async with serve_api() as server:
        manifest = session_job(made.template(), made.launch(), grace_seconds=30, keep_ended_seconds=3600)
        server.objects.create("jobs", "podline", manifest)
        cluster = Cluster(server.objects)
        pod = cluster.run("cart-7")
        async with following(server) as followed:
            server.misbehave("refuse", method="GET", path="/events", status=403, reason="Forbidden", times=9)
            cluster.end(pod, code=1)
            await followed.exit()

    assert {line["session_id"] for line in logged(lines, "events not read")} == {"cart-7"}


@at_once_with_sockets
async def test_a_pod_that_is_forgotten_by_force_names_its_session(lines: io.StringIO) -> None:
    async with serve_api() as server, following(server) as followed:
        await followed.runtime.launch(made.launch())
        Cluster(server.objects).run("cart-7")
        await followed.runtime.stop(made.session(), STOP)
        await asyncio.sleep(60)
        await followed.exit()

    assert [line["session_id"] for line in logged(lines, "pod forgotten by force")] == ["cart-7"]
