"""A controller that can't follow its bots any more ends, so that whoever runs it starts another."""

import asyncio
import logging

import httpx
import pytest

from controller.__main__ import run
from controller.composition import compose
from controller.web.http.listeners import bind
from controller.web.http.server import Server
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.runtimes_and_rooms import FakeRuntime
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port
from testing.servers.started import started
from testing.settings import settings_of


def server_over(runtime: FakeRuntime) -> Server:
    settings = settings_of(port=free_port(), grace_seconds=600)
    app = compose(settings, fake_parts(runtime=runtime))
    return Server(app, bind(settings))


async def test_it_ends_in_time_with_its_streams_though_no_bot_can_be_waited_for() -> None:
    runtime = FakeRuntime()
    runtime.stubborn = True
    server = server_over(runtime)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.config.port}") as client,
    ):
        serving = await started(server)
        await client.post("/v1/sessions", json={"user_id": "ana"})
        async with client.stream("GET", "/v1/events") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            runtime.lose()
            assert [line async for line in lines if line.startswith("event: error")] == []
        await serving

    assert server.has_failed


def test_its_process_ends_with_an_error_in_one_sentence_and_the_cause_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = FakeRuntime()
    runtime.lose()

    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as ended:
        run(server_over(runtime))

    assert ended.value.code == (
        "podline: the controller can no longer track bots, for the reason logged above. Start it again."
    )
    assert "the runtime is lost" in caplog.text
