"""A flood of the public port: bots still report, and probes are still answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.served import PATIENCE_SECONDS, ServeController, WebApp
from testing.fakes.controllers.wire import connected
from testing.processes import free_port

HALF = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nA: "


@contextlib.asynccontextmanager
async def flood(url: str, number: int) -> AsyncIterator[None]:
    """Half-open connections, and some that were refused and stay all the same."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(number):
            with contextlib.suppress(OSError, TimeoutError):
                wire = await stack.enter_async_context(connected(url))
                await wire.send(HALF)
        yield


async def test_the_bots_port_answers_bots_and_probes_alone(serve: ServeController) -> None:
    async with serve() as controller, httpx.AsyncClient(base_url=controller.url_for_bots) as there:
        for path in ("/livez", "/readyz"):
            assert (await there.get(path)).status_code == 200
            assert (await controller.client.get(path)).status_code == 200
        for path in ("/", "/v1/sessions", "/start", "/openapi.json", "/metrics", "/health", "/internal"):
            assert (await there.get(path)).status_code == 404
        posted = await there.post("/v1/sessions", json={"user_id": "ana"})
        assert (posted.status_code, posted.json()["code"]) == (404, "not_found")
        inbox = "/internal/launches/none/inbox"
        assert (await there.get(inbox)).status_code == 401
        assert (await controller.client.get(inbox)).status_code == 404
        # Whatever a client says of the port, it came in where it did.
        liar = {"Host": f"127.0.0.1:{controller.server.settings.listeners.bots_port}"}
        assert (await controller.client.get(inbox, headers=liar)).status_code == 404


async def test_bots_start_and_report_while_the_public_port_is_full(serve: ServeController) -> None:
    settings = {"connections_per_address": 300, "max_connections": 200}
    async with serve(**settings) as controller:
        # It keeps its connection.
        assert (await controller.client.get("/livez")).status_code == 200
        async with flood(controller.url, 300):
            session = await controller.start()
            await controller.until_live(session["id"])
            async with httpx.AsyncClient(base_url=controller.url_for_bots) as probe:
                assert (await probe.get("/readyz")).status_code == 200


async def test_a_bot_with_its_own_token_leaves_room_for_others_and_for_probes(
    serve: ServeController,
) -> None:
    async with serve(capacity=2, sessions_per_user=2) as controller, contextlib.AsyncExitStack() as stack:
        launch_id = "0192d1f0-0000-7000-8000-000000000000"
        token = SIGNER.launch_token(launch_id)
        poll = (
            f"GET /internal/launches/{launch_id}/inbox HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        held = 0
        for _ in range(60):
            async with contextlib.AsyncExitStack() as opened:
                wire = await opened.enter_async_context(connected(controller.url_for_bots))
                await wire.send(poll.encode())
                answer = await wire.answer()
                if answer.status != 429:
                    held += 1
                    await stack.enter_async_context(opened.pop_all())
        assert held == 8
        async with httpx.AsyncClient(base_url=controller.url_for_bots) as probe:
            assert (await probe.get("/readyz")).status_code == 200
        session = await controller.start()
        await controller.until_live(session["id"])


def few_files(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


async def test_with_few_descriptors_probes_and_bots_are_served_and_the_log_stays_short(
    tmp_path: Path,
) -> None:
    port, bots_port = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PODLINE_")},
        "PODLINE_PORT": str(port),
        "PODLINE_BOTS_PORT": str(bots_port),
        "PODLINE_CONNECTIONS_PER_ADDRESS": "100000",
        "PODLINE_MAX_CONNECTIONS": "100000",
        "PODLINE_CAPACITY": "2",
    }
    log, directory = tmp_path / "log", tmp_path / "bots"
    directory.mkdir()
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "testing.fakes.controllers.podline", str(directory), "join"),
            env=environment,
            cwd=Path(__file__).parents[3],
            stdout=stream,
            stderr=stream,
            preexec_fn=lambda: few_files(96),
        )
    url, url_for_bots = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{bots_port}"
    try:
        transport = httpx.AsyncHTTPTransport(retries=100)
        async with httpx.AsyncClient(base_url=url, transport=transport, timeout=PATIENCE_SECONDS) as client:
            await until_ready(client, url)
            web_app = WebApp(client)
            session = await web_app.start()
            async with flood(url, 1000):
                for _ in range(20):
                    probe = await client.get(f"{url_for_bots}/readyz", headers={"Connection": "close"})
                    assert (probe.status_code, json.loads(probe.text)) == (200, {"status": "ok"})
            await web_app.until_live(session["id"])
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
    assert len(log.read_bytes()) < 20_000


async def until_ready(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
