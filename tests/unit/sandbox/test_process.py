"""The sandbox as a process: what it writes, what it prints, and how it ends."""

import asyncio
import re
import signal
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from sandbox.certificate import make_certificate


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_says_where_it_is_and_ends_when_told(tmp_path: Path, end: signal.Signals) -> None:
    directory = tmp_path / "not there yet"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox", "--directory", str(directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = (await process.stdout.readline()).decode()
        found = re.fullmatch(
            r"sandbox ready: model (https://127\.0\.0\.1:\d+) store (http://127\.0\.0\.1:\d+)\n", line
        )
        assert found is not None
        lines = (directory / "sandbox.env").read_text().splitlines()
        variables = dict(line.split("=", 1) for line in lines)
        trust = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{found[1]}/", ssl=trust) as answer:
                assert answer.status == 404
            async with session.get(f"{variables['CONVEX_URL']}/sandbox/model") as answer:
                assert await answer.json() == {"sessions": [], "refused": []}
            key = {"Authorization": f"Bearer {variables['DAILY_API_KEY']}"}
            async with session.get(f"{variables['DAILY_API_URL']}/rooms", headers=key) as answer:
                assert await answer.json() == {"total_count": 0, "data": []}
            key = {"Authorization": f"Bearer {variables['OPENAI_API_KEY']}"}
            async with session.get(f"{variables['OPENAI_BASE_URL']}/models", headers=key) as answer:
                assert (await answer.json())["object"] == "list"
            speech = {
                "model": "tts-1",
                "input": "find running shoes",
                "voice": "alloy",
                "response_format": "wav",
            }
            url = f"{variables['OPENAI_BASE_URL']}/audio/speech"
            async with session.post(url, headers=key, json=speech) as answer:
                assert (await answer.read()).startswith(b"RIFF")
            async with session.get(f"{variables['CONVEX_URL']}/sandbox/openai") as answer:
                [asked] = (await answer.json())["requests"]
                assert (asked["endpoint"], asked["ending"]) == ("speech", "answered")
            order = {"target": "daily", "name": "status", "status": 500}
            async with session.post(f"{variables['CONVEX_URL']}/sandbox/behaviour", json=order) as answer:
                assert answer.status == 200
            order = {"target": "openai", "name": "invalid_key"}
            async with session.post(f"{variables['CONVEX_URL']}/sandbox/behaviour", json=order) as answer:
                assert await answer.json() == {"applied_now": 0}
            async with session.post(url, headers=key, json=speech) as answer:
                assert answer.status == 401
            key = {"Authorization": f"Bearer {variables['DAILY_API_KEY']}"}
            async with session.get(f"{variables['DAILY_API_URL']}/rooms", headers=key) as answer:
                assert answer.status == 500
        process.send_signal(end)
        _, complaints = await process.communicate()

    assert (process.returncode, complaints) == (0, b"")
    assert set(variables) == {
        *("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "SSL_CERT_FILE", "CONVEX_URL"),
        *(
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "DAILY_API_KEY",
            "DAILY_API_URL",
            "PODLINE_ROOM_HOSTS",
            "PODLINE_STORE_SECRET",
        ),
    }
    assert (variables["GOOGLE_GEMINI_BASE_URL"], variables["CONVEX_URL"]) == found.groups()
    assert (directory / "sandbox.env").stat().st_mode & 0o077 == 0


def test_a_key_is_read_by_its_owner_alone_whoever_was_there_before(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "key.pem").symlink_to(elsewhere)

    make_certificate(tmp_path, datetime.now(UTC))

    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    assert not elsewhere.exists()
