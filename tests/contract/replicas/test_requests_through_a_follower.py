"""What clients and bots get from a controller that passes their requests on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.web.app import MAX_BODY_BYTES
from testing.callers.keys import KEYS, bearer, key, write_keys
from testing.fakes.controllers.replicas import serve_pair
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.fakes.controllers.wire import connected


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.005)


async def test_a_call_from_its_start_to_its_end_and_its_bot_notice_nothing(tmp_path: Path) -> None:
    async with serve_pair(tmp_path, "user") as pair:
        session = await pair.follower.start(user_id="join.busy")
        live = await pair.follower.until(session["id"], lambda session: session["usage"]["turns"] > 3)
        stopped = await pair.follower.client.delete(f"/v1/sessions/{session['id']}")
        ended = await pair.follower.until_over(session["id"])
        of_leader = await pair.leader.client.get(f"/v1/sessions/{session['id']}")

        assert live["timeline"]["joined"]
        assert stopped.status_code in (200, 202)
        assert ended["usage"]["turns"] >= live["usage"]["turns"]
        assert not ended["usage"]["partial"]
        assert of_leader.json() == ended
        assert len((await pair.leader.client.get("/v1/sessions")).json()["sessions"]) == 1


async def test_an_event_arrives_while_its_stream_goes_on_and_a_client_that_leaves_ends_it(
    tmp_path: Path,
) -> None:
    async with serve_pair(tmp_path) as pair:
        session = await pair.leader.start()
        await pair.leader.until_live(session["id"])
        before = pair.connections_to_the_leader()
        async with aclosing(pair.follower.watch(f"/v1/sessions/{session['id']}/events")) as events:
            assert (await anext(events))["phase"] == "live"
            await until(lambda: pair.connections_to_the_leader() > before)
            await pair.leader.client.delete(f"/v1/sessions/{session['id']}")
            assert (await anext(events))["phase"] == "stopping"
        await pair.leader.until_over(session["id"])
        async with aclosing(pair.follower.watch("/v1/events")) as events:
            await anext(events)
            watching = pair.connections_to_the_leader()
        await until(lambda: pair.connections_to_the_leader() < watching)


@pytest.mark.parametrize(
    ("trusted_by_follower", "trusted_by_leader", "statuses"),
    [
        ("", "", [200, 429, 429]),
        ("", "127.0.0.0/8", [200, 429, 429]),
        ("127.0.0.0/8", "", [200, 200, 429]),
        ("127.0.0.0/8", "127.0.0.0/8", [200, 200, 429]),
    ],
)
async def test_limits_count_the_client_that_the_follower_has_seen(
    tmp_path: Path, trusted_by_follower: str, trusted_by_leader: str, statuses: list[int]
) -> None:
    async with serve_pair(
        tmp_path,
        keys=(),
        keys_file=write_keys(tmp_path),
        public_start=True,
        public_starts_per_minute=1,
        trusted_by_follower=trusted_by_follower,
        trusted_by_leader=trusted_by_leader,
    ) as pair:
        answers = [
            await pair.follower.client.post("/start", json={}, headers={"x-forwarded-for": caller})
            for caller in ("203.0.113.1", "203.0.113.2", "203.0.113.2, 127.0.0.1")
        ]

    assert [each.status_code for each in answers] == statuses


async def test_each_listener_s_paths_are_those_of_the_follower_s(tmp_path: Path) -> None:
    async with serve_pair(tmp_path) as pair, httpx.AsyncClient(base_url=pair.follower.url_for_bots) as bots:
        for client, paths in (
            (pair.follower.client, {"/v1/sessions": 200, "/livez": 200, "/internal/launches/a/inbox": 404}),
            (bots, {"/v1/sessions": 404, "/livez": 200, "/internal/launches/a/inbox": 401}),
        ):
            for path, status in paths.items():
                assert (await client.get(path)).status_code == status, path
        assert (await pair.follower.client.get("/metrics")).status_code == 503


ANSWERS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v1/sessions", {}),
    ("GET", "/v1/sessions?limit=1&after=%2F%00", {}),
    ("HEAD", "/", {}),
    ("GET", "/", {}),
    ("GET", "/", {"headers": {"accept-encoding": "gzip"}}),
    ("GET", "//evil.example/%2e%2e/a%2Fb?c=%zz&d", {}),
    ("OPTIONS", "/v1/sessions", {"headers": {"origin": "https://a.example"}}),
    ("POST", "/v1/sessions", {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("POST", "/v1/sessions", {}),
    ("PUT", "/v1/sessions", {"json": {}}),
    ("DELETE", "/v1/sessions/nobody", {}),
    ("GET", "/v1/agents", {"headers": bearer("reader")}),
    ("GET", "/v1/agents", {"headers": bearer("nobody")}),
    ("GET", "/v1/agents", {"headers": {"authorization": b"Bearer \xff"}}),
]


async def test_an_answer_is_the_same_as_the_leader_s_own(tmp_path: Path) -> None:
    async with serve_pair(tmp_path, keys=KEYS, keys_file=write_keys(tmp_path, *KEYS)) as pair:
        for method, path, more in ANSWERS:
            passed_on, own = [
                await each.client.request(method, path, **more) for each in (pair.follower, pair.leader)
            ]
            assert (passed_on.status_code, passed_on.content) == (own.status_code, own.content), path
            # A leader may have counted a second meanwhile.
            of_both = [
                [each for each in answer.headers.raw if each[0] != b"date"] for answer in (passed_on, own)
            ]
            assert sorted(of_both[0]) == sorted(of_both[1]), path
            assert len(passed_on.headers.get_list("date")) == 1
        tagged = (await pair.leader.client.get("/")).headers.get("etag")
        if tagged is not None:
            again = await pair.follower.client.get("/", headers={"if-none-match": tagged})
            assert (again.status_code, again.content) == (304, b"")


TARGETS = [
    b"OPTIONS *",
    b"OPTIONS *.example.com/",
    b"CONNECT localhost:443",
    b"GET http://other:80/livez?a",
    b"GET http://other?a",
    b"GET /livez?a#b",
    b"GET /livez?",
    b"GET /livez?\\a[]^{}",
    b'GET /a"b<c>|d^`{}[',
    b"GET /../../livez",
    b"GET /a/../livez",
    b"GET /\\..\\livez",
    b"GET //[::1/",
    b"GET ///@a:b/",
    b"GET /%00",
    b"GET /\xc3\xa9",
    b"PROPFIND /livez",
    b"TRACE /livez",
]


async def test_an_odd_target_is_answered_as_the_leader_answers_it(tmp_path: Path) -> None:
    async with serve_pair(tmp_path) as pair:
        for target in TARGETS:
            answers = []
            for url in (pair.follower.url, pair.leader.url):
                async with connected(url) as wire:
                    await wire.send(target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answers.append(await wire.answer())
            assert (answers[0].status, answers[0].body) == (answers[1].status, answers[1].body), target


async def test_the_limits_of_a_request_are_the_same(tmp_path: Path) -> None:
    async with serve_pair(tmp_path) as pair:
        json = {"content-type": "application/json"}
        fitting = b'{"user_id": "ana"}'.ljust(MAX_BODY_BYTES)
        started = await pair.follower.client.post("/v1/sessions", content=fitting, headers=json)
        too_large = await pair.follower.client.post("/v1/sessions", content=fitting + b" ", headers=json)
        assert (started.status_code, too_large.status_code) == (201, 413)
        assert too_large.json()["code"] == "body_too_large"
        for fields, size, status in ((98, 300, 200), (100, 300, 431), (20, 1590, 200), (20, 1700, 431)):
            head = b"".join(b"A%d: " % number + b"x" * size + b"\r\n" for number in range(fields))
            async with connected(pair.follower.url) as wire:
                await wire.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
                assert (await wire.answer()).status == status, (fields, size)


async def test_a_chunked_body_its_trailers_and_100_continue_end_at_the_follower(tmp_path: Path) -> None:
    start = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with serve_pair(tmp_path) as pair, connected(pair.follower.url) as wire:
        await wire.send(start + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert (await wire.answer()).status == 100
        await wire.send(b'12\r\n{"user_id": "ana"}\r\n0\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n')
        assert (await wire.answer()).status == 201


async def test_a_leader_that_has_gone_is_noticed_by_those_who_ask_and_those_who_listen(
    tmp_path: Path,
) -> None:
    async with serve_pair(tmp_path) as pair, aclosing(pair.follower.watch("/v1/events")) as events:
        await pair.leader.start()
        await anext(events)
        pair.passing.forwarder.break_off(pair.passing.address)
        # The stream ends as it should, and a client opens it again.
        assert await anext(events, None) is None
        await pair.leader.leave()
        refused = await pair.follower.client.get("/v1/sessions")
        assert (refused.status_code, refused.text) == (503, "was_sent=False")


async def test_a_replica_with_another_secret_is_told_so_and_its_client_is_not(tmp_path: Path) -> None:
    async with serve_pair(tmp_path) as pair:
        pair.passing.forwarder._token = "of another installation"
        answer = await pair.follower.client.post("/v1/sessions", json={"user_id": "ana"})
        assert (answer.status_code, answer.text) == (503, "was_sent=False")
        assert (await pair.leader.client.get("/v1/sessions")).json()["sessions"] == []


async def test_a_key_that_may_only_start_may_do_no_more_there(tmp_path: Path) -> None:
    starter = key("starter", "start")
    async with serve_pair(tmp_path, keys=(starter,), keys_file=write_keys(tmp_path, starter)) as pair:
        assert (await pair.follower.client.get("/v1/sessions")).status_code == 401
        started = await pair.follower.client.post(
            "/v1/sessions", json={"user_id": "ana"}, headers=bearer("starter")
        )
        assert started.status_code == 201
        listed = await pair.follower.client.get("/v1/sessions", headers=bearer("starter"))
        assert listed.status_code == 403
