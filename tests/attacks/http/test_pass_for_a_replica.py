"""Somebody reaches the port for other controllers, or says at another port that they are one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from controller.core.tokens import Signer
from testing.callers.keys import KEYS, bearer, write_keys
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.replicas import replica_settings, serve_pair
from testing.fakes.controllers.served import Controller, ServeController
from testing.fakes.controllers.wire import connected
from testing.processes import free_port

KB: Final = 1024
OTHER: Final = Signer(b"the secret of another installation")
TOKENS: Final = {
    "none": None,
    "empty": "",
    "commas": "," * 1000,
    "of another installation": OTHER.replica_token(),
    "many": ",".join(f"{number:064x}" for number in range(400)),
    "of a bot": SIGNER.launch_token("replica"),
    "of a caller": SIGNER.session_token("replica", "replica"),
    "a part": SIGNER.replica_token()[:-1],
    "not ASCII": b"\xff\xfe".decode("latin-1"),
}


def said(token: str | None, client: str = "203.0.113.1", listener: str = "public") -> dict[str, Any]:
    fields = {"podline-replica-client": client, "podline-replica-listener": listener}
    fields |= {} if token is None else {"podline-replica-token": token}
    return {name: value.encode("latin-1") for name, value in fields.items()}


@contextlib.asynccontextmanager
async def serve_replica(
    serve: ServeController, **settings: Any
) -> AsyncIterator[tuple[Controller, httpx.AsyncClient]]:
    """A controller that others reach, and a client of its port for them."""
    port = free_port()
    of_replicas = replica_settings(free_port(), port)
    of_replicas["controller_url"] = f"http://127.0.0.1:{of_replicas['bots_port']}"
    async with (
        serve(**of_replicas | settings) as controller,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield controller, client


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
async def test_without_the_token_nothing_is_served_there(serve: ServeController, token: str | None) -> None:
    async with serve_replica(serve) as (controller, client):
        for listener in ("public", "bots"):
            for method, path in (
                ("POST", "/v1/sessions"),
                ("GET", "/"),
                ("GET", "/livez"),
                ("GET", "/metrics"),
                ("GET", "/internal/launches/a/inbox"),
                ("GET", "/nowhere"),
            ):
                answer = await client.request(
                    method, path, json={"user_id": "ana"}, headers=said(token, listener=listener)
                )
                assert (answer.status_code, answer.headers["podline-replica-refused"]) == (401, "token"), path
        assert (await controller.client.get("/v1/sessions")).json()["sessions"] == []


@pytest.mark.parametrize("listener", ["metrics", "replicas", "", "Public", "public,bots", "nowhere"])
async def test_with_the_token_only_callers_and_bots_listeners_can_be_meant(
    serve: ServeController, listener: str
) -> None:
    async with serve_replica(serve, metrics_port=free_port()) as (_, client):
        for path in ("/metrics", "/v1/sessions", "/internal/launches/a/inbox"):
            # `replicas` is for what a controller asks for itself, which is none of these.
            answer = await client.get(path, headers=said(SIGNER.replica_token(), listener=listener))
            assert (answer.status_code, answer.headers["podline-replica-refused"]) == (404, "listener")


@pytest.mark.parametrize("has_metrics_port", [True, False])
async def test_metrics_are_not_there_and_each_listener_keeps_to_its_paths(
    serve: ServeController, *, has_metrics_port: bool
) -> None:
    more = {"metrics_port": free_port()} if has_metrics_port else {}
    async with serve_replica(serve, **more) as (_, client):
        for listener, path, status in (
            ("public", "/metrics", 404),
            ("bots", "/metrics", 404),
            ("public", "/internal/launches/a/inbox", 404),
            ("bots", "/v1/sessions", 404),
            ("public", "/v1/sessions", 200),
            ("bots", "/internal/launches/a/inbox", 401),
        ):
            answer = await client.get(path, headers=said(SIGNER.replica_token(), listener=listener))
            assert answer.status_code == status, (listener, path)


async def test_the_token_opens_nothing_that_needs_a_key(serve: ServeController, tmp_path: Path) -> None:
    keys = {"keys": KEYS, "keys_file": write_keys(tmp_path, *KEYS)}
    async with serve_replica(serve, **keys) as (_, client):
        replica = said(SIGNER.replica_token())
        for headers in (replica, replica | bearer(SIGNER.replica_token())):
            assert (await client.get("/v1/sessions", headers=headers)).status_code == 401
        assert (await client.get("/v1/sessions", headers=replica | bearer("reader"))).status_code == 200


@pytest.mark.parametrize("token", [None, SIGNER.replica_token()], ids=["without token", "with token"])
@pytest.mark.parametrize("is_passed_on", [True, False])
async def test_at_the_callers_port_nobody_else_says_who_asks(
    tmp_path: Path, token: str | None, *, is_passed_on: bool
) -> None:
    settings: dict[str, Any] = {"public_start": True, "public_starts_per_minute": 1}
    async with serve_pair(tmp_path, keys=(), keys_file=write_keys(tmp_path), **settings) as pair:
        client = (pair.follower if is_passed_on else pair.leader).client
        answers = [
            await client.post("/start", json={}, headers=said(token, client=address))
            for address in ("203.0.113.1", "203.0.113.2")
        ]
        assert [each.status_code for each in answers] == [200, 429]


@pytest.mark.parametrize("is_passed_on", [True, False])
async def test_at_the_callers_port_nobody_gets_to_the_bots_and_the_other_way_round(
    tmp_path: Path, *, is_passed_on: bool
) -> None:
    async with serve_pair(tmp_path) as pair:
        asked = pair.follower if is_passed_on else pair.leader
        bots_port = asked.server.settings.listeners.bots_port
        token = SIGNER.replica_token()
        inbox = await asked.client.get("/internal/launches/a/inbox", headers=said(token, listener="bots"))
        listed = await asked.client.get(
            f"http://127.0.0.1:{bots_port}/v1/sessions", headers=said(token, listener="public")
        )
        assert (inbox.status_code, listed.status_code) == (404, 404)


async def test_no_target_makes_a_follower_take_its_token_elsewhere(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with serve_pair(tmp_path) as pair, await asyncio.start_server(note, "127.0.0.1", 0) as elsewhere:
        where = b"127.0.0.1:%d" % elsewhere.sockets[0].getsockname()[1]
        for target in (
            b"*@" + where + b"/",
            b"*@" + where,
            b"/@" + where + b"/",
            b"//" + where + b"/",
            b"///" + where + b"/",
            b"/\\" + where + b"/",
            b"http://" + where + b"/",
            b"http://a@" + where + b"/",
            b"/?@" + where + b"/",
        ):
            for method in (b"GET", b"OPTIONS"):
                async with connected(pair.follower.url) as wire:
                    await wire.send(method + b" " + target + b" HTTP/1.1\r\nHost: " + where + b"\r\n\r\n")
                    assert (await wire.answer()).status in (200, 400, 403, 404, 405), target
        assert not asked.is_set()


async def test_a_field_given_twice_does_not_add_to_what_a_replica_says(tmp_path: Path) -> None:
    async with serve_pair(tmp_path) as pair, connected(pair.follower.url) as wire:
        for name in (b"Podline-Replica-Listener", b"PODLINE-REPLICA-LISTENER", b"podline-replica-listener"):
            head = b"GET /internal/launches/a/inbox HTTP/1.1\r\nHost: localhost\r\n"
            await wire.send(head + (name + b": bots\r\n") * 2 + b"\r\n")
            assert (await wire.answer()).status == 404


async def test_what_is_too_large_anywhere_is_too_large_there(serve: ServeController) -> None:
    line = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    post = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n"
    floods = {
        "a value": (line + b"A: " + b"x" * (40 * KB), 431),
        "fields": (line + b"".join(b"A%d: x\r\n" % number for number in range(110)), 431),
        "a token": (line + b"Podline-Replica-Token: " + b"x," * (20 * KB), 431),
        "a URL": (b"GET /" + b"x" * (9 * KB), 414),
        "two hosts": (line + b"Host: other\r\n\r\n", 400),
        "two lengths": (post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        "nonsense": (b"nonsense\r\n\r\n", 400),
    }
    async with serve_replica(serve) as (_, client):
        for name, (flood, status) in floods.items():
            async with connected(str(client.base_url)) as wire:
                await wire.send(flood)
                assert (await wire.answer()).status == status, name
                assert await wire.is_closed()
        fields = b"".join(
            b"%s: %s\r\n" % (name.encode(), value) for name, value in said(SIGNER.replica_token()).items()
        )
        async with connected(str(client.base_url)) as wire:
            await wire.send(post + fields + b"Content-Length: 70000\r\n\r\n")
            assert (await wire.answer()).status == 413


async def test_strangers_connections_do_not_keep_a_replica_out(tmp_path: Path) -> None:
    async with (
        serve_pair(tmp_path, max_connections=20, capacity=1) as pair,
        contextlib.AsyncExitStack() as many,
    ):
        assert (await pair.follower.client.get("/v1/sessions")).status_code == 200
        for number in range(200):
            wire = await many.enter_async_context(connected(pair.replicas_url))
            await wire.send((b"", b"GET / HTTP/1.1\r\nA", b"POST / HTTP/1.1\r\n\r\n")[number % 3])
        asked = [pair.follower.client.get("/v1/sessions") for _ in range(10)]
        assert [each.status_code for each in await asyncio.gather(*asked)] == [200] * 10


async def test_a_replica_has_more_connections_than_any_other_address_may(tmp_path: Path) -> None:
    async with serve_pair(tmp_path, connections_per_address=100) as pair:
        polls = [pair.follower.client.get("/v1/sessions") for _ in range(90)]
        assert {each.status_code for each in await asyncio.gather(*polls)} == {200}
