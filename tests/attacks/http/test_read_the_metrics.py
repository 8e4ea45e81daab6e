"""Metrics say how a business goes: a stranger reads them neither at the public port nor at the bots'."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from testing.fakes.controllers.served import ServeController
from testing.fakes.controllers.wire import connected, write_keys
from testing.processes import free_port


async def test_where_there_are_keys_the_public_port_asks_for_one(
    serve: ServeController, tmp_path: Path
) -> None:
    keys = write_keys(tmp_path, reader=["read"], starter=["start"], boss=["admin"])
    async with serve(keys_file=keys, public_start=True) as controller:
        for key, status in (("", 401), ("wrong", 401), ("starter", 403), ("reader", 200), ("boss", 200)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = await controller.client.get("/metrics", headers=headers)
            assert answer.status_code == status
            assert ("podline_" in answer.text) == (status == 200)


@pytest.mark.parametrize("has_keys", [True, False])
async def test_with_a_port_of_their_own_no_other_has_them(
    serve: ServeController, tmp_path: Path, *, has_keys: bool
) -> None:
    port = free_port()
    settings = {"keys_file": write_keys(tmp_path, boss=["admin"])} if has_keys else {}
    boss = {"Authorization": "Bearer boss"}
    async with serve(metrics_port=port, **settings) as controller, httpx.AsyncClient(headers=boss) as client:
        assert "podline_" in (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        for url in (controller.url, controller.url_for_bots):
            assert (await client.get(f"{url}/metrics")).status_code == 404
            assert (await client.get(f"{url}/metrics/")).status_code == 404
            assert (await client.get(f"{url}//metrics")).status_code == 404


@pytest.mark.parametrize("has_keys", [True, False])
async def test_no_page_reads_them_at_their_own_port_under_a_name_that_leads_to_this_machine(
    serve: ServeController, tmp_path: Path, *, has_keys: bool
) -> None:
    port = free_port()
    settings = {"keys_file": write_keys(tmp_path, boss=["admin"])} if has_keys else {}
    async with serve(metrics_port=port, **settings) as controller, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/metrics"
        for headers in (
            {"Host": f"evil.example:{port}"},
            {"Host": "localhost.evil.example"},
            {"Host": f"127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        ):
            assert (await client.get(url, headers=headers)).status_code == 403
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", "[::1]"):
            assert (await client.get(url, headers={"Host": host})).status_code == 200
        assert (await controller.client.get("/livez")).status_code == 200


async def test_the_bots_port_has_none(serve: ServeController) -> None:
    async with serve() as controller, connected(controller.url_for_bots) as wire:
        await wire.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await wire.answer()).status == 404
