"""One attacker tries to be counted as many, or all callers of a proxy are counted as one."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from testing.fakes.controllers.served import ServeController
from testing.fakes.controllers.wire import write_keys
from testing.settings import settings_of


def can_serve_both_families() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as each:
            each.bind(("::", 0))
            return each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
    except OSError:
        return False


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "*", "10.0.0.0/8,0.0.0.0/0"])
def test_nobody_is_told_to_believe_everybody(everybody: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PODLINE_TRUSTED_PROXIES"):
        settings_of(keys_file=write_keys(tmp_path), trusted_proxies=everybody)


async def starts(client: httpx.AsyncClient, *forwarded: str) -> list[int]:
    return [
        (await client.post("/start", json={}, headers={"X-Forwarded-For": each})).status_code
        for each in forwarded
    ]


PUBLIC = {"public_start": True, "public_starts_per_minute": 1, "trusted_proxies": "127.0.0.0/8,10.0.0.0/8"}


@pytest.mark.parametrize("proxies", ["127.0.0.0/8", "::ffff:127.0.0.0/104", "::ffff:127.0.0.1"])
@pytest.mark.skipif(not can_serve_both_families(), reason="no socket here serves IPv4 and IPv6")
async def test_a_proxy_is_known_that_comes_over_ipv4_to_a_socket_for_both(
    serve: ServeController, tmp_path: Path, caplog: pytest.LogCaptureFixture, proxies: str
) -> None:
    settings = PUBLIC | {"keys_file": write_keys(tmp_path), "host": "::", "trusted_proxies": proxies}
    async with serve(public_url="http://127.0.0.1:1", **settings) as controller:
        url = f"http://127.0.0.1:{controller.server.settings.listeners.port}"
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = await starts(client, "203.0.113.1", "203.0.113.2", "203.0.113.1")
            assert statuses == [200, 200, 429]
    assert "forwarded by an unlisted peer" not in [record.message for record in caplog.records]


async def test_a_caller_has_one_limit_however_the_proxies_write_addresses(
    serve: ServeController, tmp_path: Path
) -> None:
    settings = PUBLIC | {"keys_file": write_keys(tmp_path)}
    for ways in (
        ("203.0.113.1", "203.0.113.1:1", "203.0.113.1:2", "[::ffff:203.0.113.1]:3", "::ffff:203.0.113.1"),
        ("2001:db8::1", "[2001:db8::2]:4", "[2001:db8::3]", "2001:DB8:0:0:1::1", "[2001:db8::4]:x"),
        ("203.0.113.1, 10.0.0.1", "203.0.113.1,::ffff:10.0.0.1", "203.0.113.1:7, 10.0.0.1:443"),
        ("nonsense", "unknown", "203.0.113.1:x", "203.0.113.01", "_hidden", "x" * 20_000),
    ):
        async with serve(**settings) as controller:
            assert await starts(controller.client, *ways) == [200] + [429] * (len(ways) - 1)
            assert all(len(each) < 64 for each in controller.server._services.starts._buckets)
