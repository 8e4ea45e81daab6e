"""A watch knows all Jobs there are, whatever the API server does, and says so while it may be wrong."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import How, serve_api
from tests.unit.controller.runtimes.kubernetes.serving import JOBS, add_job, drop_job, mark_job, watching

ALWAYS: Final = 10**6


@at_once_with_sockets
async def test_all_pages_of_a_list_are_seen() -> None:
    async with serve_api() as server:
        for number in range(1201):
            add_job(server, f"job-{number}")
        server.objects.create("jobs", "podline", {"metadata": {"name": "of-somebody-else"}})
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.is_listed)

            assert watched.names == {f"job-{number}" for number in range(1201)}
            assert len(server.lists("jobs")) == 3


@at_once_with_sockets
async def test_each_change_is_yielded() -> None:
    async with serve_api() as server, watching(server) as (_, watched):
        await watched.until(lambda: bool(server.watches("jobs")))

        add_job(server, "a")
        await watched.until(lambda: watched.names == {"a"})
        mark_job(server, "a", "completed")
        await watched.until(lambda: watched.reason("a") == "completed")
        drop_job(server, "a")
        await watched.until(lambda: watched.gone == [("launch-of-a", "a")])

        assert len(server.lists("jobs")) == 1


@at_once_with_sockets
async def test_a_watch_that_ends_in_time_is_resumed_where_it_ended() -> None:
    async with serve_api() as server, watching(server) as (_, watched):
        add_job(server, "a")
        await server.until_asked(lambda asked: asked.is_watch, times=4)
        add_job(server, "b")
        await watched.until(lambda: watched.names == {"a", "b"})

        assert len(server.lists("jobs")) == 1
        assert {each.query["timeoutSeconds"] for each in server.watches("jobs")} == {"45"}


@at_once_with_sockets
async def test_what_was_deleted_while_nothing_was_watched_is_gone() -> None:
    async with serve_api() as server:
        add_job(server, "a")
        add_job(server, "b")
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.not_ready_reason is None)
            fault = server.misbehave("refuse", times=ALWAYS, status=503)
            await watched.until(lambda: health.not_ready_reason is not None)
            drop_job(server, "a")
            fault.times = 0
            await watched.until(lambda: health.not_ready_reason is None)

            assert watched.gone == [("launch-of-a", "a")]
            assert watched.names == {"b"}


@at_once_with_sockets
async def test_what_was_replaced_under_its_name_while_nothing_was_watched_is_gone() -> None:
    async with serve_api() as server:
        add_job(server, "a", "first-launch")
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.not_ready_reason is None)
            fault = server.misbehave("refuse", times=ALWAYS, status=503)
            await watched.until(lambda: health.not_ready_reason is not None)
            drop_job(server, "a")
            add_job(server, "a", "second-launch")
            fault.times = 0
            await watched.until(lambda: health.not_ready_reason is None)

            assert watched.gone == [("first-launch", "a")]
            assert watched.jobs["a"].metadata.labels.launch_id == "second-launch"


@at_once_with_sockets
async def test_what_was_deleted_before_a_history_that_is_forgotten_is_gone_after_the_next_list() -> None:
    async with serve_api() as server:
        add_job(server, "a")
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.not_ready_reason is None)
            fault = server.misbehave("refuse", times=ALWAYS, status=503)
            await watched.until(lambda: health.not_ready_reason is not None)
            drop_job(server, "a")
            server.objects.forget_history()
            fault.times = 0
            await watched.until(lambda: health.not_ready_reason is None)

            assert watched.gone == [("launch-of-a", "a")]


@at_once_with_sockets
async def test_a_watch_whose_connection_breaks_misses_nothing_and_lists_nothing_again() -> None:
    async with serve_api() as server:
        add_job(server, "a")
        async with watching(server) as (health, watched):
            server.misbehave("cut", watch=True)
            fault = server.misbehave("reset_before", watch=True, times=ALWAYS)
            await watched.until(lambda: len(server.watches("jobs")) > 2)
            assert health.not_ready_reason is not None
            mark_job(server, "a", "completed")
            drop_job(server, "a")
            fault.times = 0
            await watched.until(lambda: bool(watched.gone))

            assert [each.metadata.labels.reason for each in watched.last_states] == ["completed"]
            assert len(server.lists("jobs")) == 1


@at_once_with_sockets
async def test_a_watch_that_is_refused_again_and_again_is_begun_anew_from_a_list() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        server.misbehave("refuse", watch=True, times=3, status=504, message="Too large resource version")
        await watched.until(lambda: health.not_ready_reason is None)

        assert len(server.lists("jobs")) == 2


@at_once_with_sockets
async def test_a_half_open_watch_that_is_resumed_brings_at_once_what_it_has_withheld() -> None:
    async with serve_api() as server:
        server.misbehave("silent", watch=True)
        async with watching(server) as (health, watched):
            await watched.until(lambda: bool(server.watches("jobs")) and health.not_ready_reason is None)
            add_job(server, "a")
            began = asyncio.get_running_loop().time()
            watched.watch.resume()
            await health.caught_up()

            assert watched.names == {"a"}
            assert asyncio.get_running_loop().time() - began < 5, "long before the silence itself is noticed"
            assert len(server.lists("jobs")) == 1


@at_once_with_sockets
async def test_a_version_that_is_too_old_leads_to_a_list() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        await watched.until(lambda: bool(server.watches("jobs")))
        server.misbehave("silent", watch=True)
        await watched.until(lambda: len(server.watches("jobs")) > 1)
        add_job(server, "a")
        server.objects.forget_history()
        await watched.until(lambda: watched.names == {"a"} and health.not_ready_reason is None)

        assert len(server.lists("jobs")) == 2


@pytest.mark.parametrize("watch", [True, False])
@at_once_with_sockets
async def test_a_410_as_an_answer_leads_to_a_list(watch: bool) -> None:  # noqa: FBT001 - a case
    async with serve_api() as server:
        server.misbehave("refuse", watch=watch, status=410, reason="Expired", message="too old")
        async with watching(server) as (health, watched):
            add_job(server, "a")
            await watched.until(lambda: health.not_ready_reason is None and watched.names == {"a"})

            assert len(server.lists("jobs")) == 2


@at_once_with_sockets
async def test_a_page_that_has_expired_leads_to_a_list_from_the_start() -> None:
    async with serve_api() as server:
        for number in range(501):
            add_job(server, f"job-{number}")
        server.misbehave("refuse", path="/jobs", after=1, status=410, reason="Expired", message="too old")
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.is_listed)

            assert ["continue" in each.query for each in server.lists("jobs")] == [False, True, False, True]
            assert len(watched.names) == 501


@at_once_with_sockets
async def test_a_connection_that_is_only_half_open_is_noticed() -> None:
    async with serve_api() as server:
        server.misbehave("silent", watch=True)
        async with watching(server) as (_, watched):
            await watched.until(lambda: bool(server.watches("jobs")))
            add_job(server, "a")
            await watched.until(lambda: watched.names == {"a"})


@at_once_with_sockets
async def test_everything_is_listed_now_and_then_though_nothing_broke() -> None:
    async with serve_api() as server, watching(server, relist_seconds=100) as (health, watched):
        await watched.until(lambda: watched.lists == 3)

        assert health.relists == 3
        assert health.not_ready_reason is None


@at_once_with_sockets
async def test_a_server_that_is_broken_is_a_reason_not_to_be_ready_until_it_is_well() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        await watched.until(lambda: health.not_ready_reason is None)
        fault = server.misbehave("refuse", times=ALWAYS, status=500, message="etcd is away")
        await watched.until(lambda: health.not_ready_reason is not None)
        assert health.not_ready_reason == "The API server answered 500: etcd is away."

        fault.times = 0
        add_job(server, "a")
        await watched.until(lambda: health.not_ready_reason is None)

        assert watched.names == {"a"}


@at_once_with_sockets
async def test_a_list_alone_does_not_make_it_ready() -> None:
    async with serve_api() as server:
        server.misbehave("refuse", watch=True, times=ALWAYS, status=500)
        async with watching(server) as (health, watched):
            await watched.until(lambda: watched.lists > 3)

            assert health.not_ready_reason is not None


@at_once_with_sockets
async def test_the_pause_a_server_asks_for_is_kept() -> None:
    async with serve_api() as server:
        server.misbehave("refuse", status=429, reason="TooManyRequests", retry_after=30)
        async with watching(server) as (health, watched):
            began = asyncio.get_running_loop().time()
            await watched.until(lambda: health.is_listed)

            assert asyncio.get_running_loop().time() - began >= 30


@at_once_with_sockets
async def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_a_pause() -> None:
    async with serve_api() as server:
        server.misbehave("end", watch=True, times=ALWAYS)
        async with watching(server) as (health, watched):
            await watched.until(lambda: health.is_listed)
            await asyncio.sleep(60)

            assert len(server.asked) < 200
            assert health.not_ready_reason == "The API server ended a watch at once."


GARBAGE = {
    "no JSON": b"<html>busy</html>\n",
    "no UTF-8": b"\xff\xfe\n",
    "no UTF-8 in a name": b'{"type":"ADDED","object":{"metadata":{"name":"\xff"}}}\n',
    "half a line": b'{"type":"ADD\n',
    "no object": b'{"type":"ADDED"}\n',
    "an object of another kind": b'{"type":"ADDED","object":[]}\n',
    "an unknown type": b'{"type":"RENAMED","object":{"metadata":{}}}\n',
    "an error that is no status": b'{"type":"ERROR","object":5}\n',
    "an error of no meaning": b'{"type":"ERROR","object":{}}\n',
    "nested without end": b'{"type":"ADDED","object":' + b"[" * 100_000 + b"\n",
    "a name that is none": b'{"type":"MODIFIED","object":{"metadata":{"name":7}}}\n',
}


@pytest.mark.parametrize("how", ["raw", "cut", "end"])
@pytest.mark.parametrize("garbage", [b"", *GARBAGE.values()], ids=["nothing", *GARBAGE])
@at_once_with_sockets
async def test_a_watch_that_brings_garbage_is_begun_anew(garbage: bytes, how: How) -> None:
    async with serve_api() as server:
        server.misbehave(how, watch=True, body=garbage)
        async with watching(server) as (health, watched):
            await watched.until(lambda: bool(server.watches("jobs")))
            add_job(server, "a")
            await watched.until(lambda: watched.names == {"a"} and health.not_ready_reason is None)


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@at_once_with_sockets
async def test_a_list_that_is_garbage_is_asked_for_again(garbage: bytes) -> None:
    async with serve_api() as server:
        server.misbehave("refuse", path="/jobs", status=200, body=garbage)
        async with watching(server) as (health, watched):
            add_job(server, "a")
            await watched.until(lambda: watched.names == {"a"} and health.not_ready_reason is None)


@at_once_with_sockets
async def test_a_server_that_comes_back_is_followed_again() -> None:
    async with serve_api() as server, watching(server) as (health, watched):
        await watched.until(lambda: health.not_ready_reason is None)
        server.misbehave("reset_before", watch=True, times=3)
        server.misbehave("reset_after", path=JOBS, times=3)
        await watched.until(lambda: health.not_ready_reason is not None)
        add_job(server, "a")
        await watched.until(lambda: watched.names == {"a"} and health.not_ready_reason is None)
