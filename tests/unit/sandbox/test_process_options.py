"""The sandbox as a cluster runs it: open to others, with a certificate and a key that were brought."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from sandbox.certificate import make_certificate
from testing.processes import free_port

LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


@asynccontextmanager
async def running(
    *options: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox", *options),
        env={**os.environ, **(variables or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def closing_words(url: str, key: str, trust: ssl.SSLContext) -> str | None:
    """What the model says to a first message that is none; of the key, where it is a wrong one."""
    address = f"{url}{LIVE}?key={key}"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, ssl=trust) as socket:
        await socket.send_str("{}")
        return (await socket.receive()).extra


async def test_it_listens_where_it_is_told_with_what_it_is_brought(tmp_path: Path) -> None:
    brought, directory = tmp_path / "brought", tmp_path / "directory"
    brought.mkdir()
    certificate, _ = make_certificate(brought, datetime.now(UTC))
    certificate.rename(brought / "tls.crt")
    (brought / "key.pem").rename(brought / "tls.key")
    port = free_port()
    options = (
        f"--directory={directory}",
        "--host=0.0.0.0",
        f"--certificate={brought}",
        f"--model-port={port}",
    )
    async with running(*options, variables={"SANDBOX_KEY": "brought", "GOOGLE_API_KEY": "real"}) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        written = (directory / "sandbox.env").read_text().splitlines()
        variables = dict(line.split("=", 1) for line in written)
        trust = ssl.create_default_context(cafile=brought / "tls.crt")
        # Another address of this machine's than the one that it listens on by default.
        trust.check_hostname = False
        url = f"https://127.0.0.2:{port}" if sys.platform == "linux" else f"https://127.0.0.1:{port}"
        words = [await closing_words(url, key, trust) for key in ("brought", "real")]

    assert line.startswith(f"sandbox ready: model https://127.0.0.1:{port} store http://127.0.0.1:")
    assert (variables["GOOGLE_API_KEY"], variables["SSL_CERT_FILE"]) == ("brought", str(brought / "tls.crt"))
    assert words == ["The first message must be setup.", "API key not valid. Please pass a valid API key."]
    assert {path.name for path in directory.iterdir()}.isdisjoint({"cert.pem", "key.pem"})


async def test_a_certificate_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    async with running(f"--directory={tmp_path}", f"--certificate={tmp_path / 'nowhere'}") as process:
        _, complaint = await process.communicate()

    assert process.returncode == 1
    assert complaint.decode().startswith("sandbox: [Errno 2] No such file or directory: ")
    assert "nowhere/tls.crt" in complaint.decode()
