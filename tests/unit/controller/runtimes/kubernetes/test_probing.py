"""Mistakes are found before a caller does: one Job is tried, and not made, until it would be taken."""

from __future__ import annotations

import asyncio

import pytest

from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Objects
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following

PREFIX = "Bots can't be launched or watched right now. "
FORBIDDEN = (
    'jobs.batch is forbidden: User "system:serviceaccount:podline:podline" cannot create resource "jobs" '
    'in API group "batch" in the namespace "podline"'
)


async def not_ready_reason(followed: Followed) -> str | None:
    await asyncio.sleep(5)
    return followed.runtime.not_ready_reason()


@at_once_with_sockets
async def test_one_job_is_tried_and_none_is_made() -> None:
    async with serve_api() as server, following(server):
        tried = [asked.query for asked in server.asked if asked.method == "POST"]

        assert tried == [{"dryRun": "All"}]
        assert server.objects.all("jobs", "podline") == []


@at_once_with_sockets
async def test_a_runtime_that_is_not_followed_says_so() -> None:
    async with serve_api() as server:
        async with following(server) as followed:
            pass

        assert followed.runtime.not_ready_reason() == "The cluster is not being watched."


@at_once_with_sockets
async def test_a_namespace_that_is_not_there_is_named_and_found_when_it_comes() -> None:
    server = ApiServer(Objects(namespaces=set()))
    async with serve_api(server), following(server, until_ready=False) as followed:
        assert await not_ready_reason(followed) == (
            f"{PREFIX}There is no namespace podline: create it, or set PODLINE_NAMESPACE to the one that "
            "bots should run in."
        )
        server.objects.namespaces.add("podline")

        assert await not_ready_reason(followed) is None


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (
            403,
            FORBIDDEN,
            "The controller may not create jobs of batch: add `create` on `jobs` to its Role.",
        ),
        (
            422,
            'Job.batch "x" is invalid: spec',
            'The API server answered 422: Job.batch "x" is invalid: spec.',
        ),
        (500, "etcd is away", "The API server answered 500: etcd is away."),
    ],
)
@at_once_with_sockets
async def test_what_would_be_refused_is_said_until_it_is_mended(status: int, message: str, said: str) -> None:
    async with serve_api() as server:
        fault = server.misbehave("refuse", method="POST", times=10**6, status=status, message=message)
        async with following(server, until_ready=False) as followed:
            assert await not_ready_reason(followed) == f"{PREFIX}{said}"
            fault.times = 0

            assert await not_ready_reason(followed) is None


@at_once_with_sockets
async def test_a_quota_that_is_full_of_bots_is_no_mistake() -> None:
    async with serve_api() as server:
        server.misbehave("refuse", method="POST", status=403, message="exceeded quota: bots")
        async with following(server, until_ready=False) as followed:
            assert await not_ready_reason(followed) is None


@at_once_with_sockets
async def test_a_watch_that_is_lost_is_trouble_until_it_is_back() -> None:
    async with serve_api() as server, following(server) as followed:
        fault = server.misbehave("refuse", method="GET", times=10**6, status=503, message="away")
        await followed.until(lambda: followed.runtime.not_ready_reason() is not None)
        assert followed.runtime.not_ready_reason() == f"{PREFIX}The API server answered 503: away."
        fault.times = 0

        await followed.until(lambda: followed.runtime.not_ready_reason() is None)
