"""Whose address counts when a proxy stands in front of the controller."""

import asyncio
from pathlib import Path

import httpx
import pytest

from controller.composition import compose
from controller.web.auth import read_keys
from controller.web.http.listeners import bind
from controller.web.http.server import Server
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of


@pytest.mark.parametrize(
    ("trusted", "statuses"),
    [
        ("", [200, 429]),
        ("192.0.2.0/24", [200, 429]),
        ("127.0.0.0/8", [200, 200]),
    ],
)
async def test_only_a_proxy_that_is_trusted_may_say_who_asks(
    tmp_path: Path, trusted: str, statuses: list[int]
) -> None:
    keys_file = tmp_path / "keys.json"
    keys_file.write_text("[]")
    settings = settings_of(
        port=free_port(),
        public_start=True,
        public_starts_per_minute=1,
        trusted_proxies=trusted,
        keys_file=keys_file,
    )
    sockets = bind(settings)
    app = compose(settings, fake_parts(keys=read_keys(keys_file)))
    server = Server(app, sockets)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(base_url=settings.listeners.url_for_callers) as client,
    ):
        serving = await started(server)
        answers = [
            await client.post("/start", json={}, headers={"x-forwarded-for": caller})
            for caller in ("203.0.113.1", "203.0.113.2")
        ]
        server.should_exit = True
        await serving

    assert [answer.status_code for answer in answers] == statuses
