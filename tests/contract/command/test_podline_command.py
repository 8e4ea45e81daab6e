"""`podline serve` as a person or a service manager runs it."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port


async def run(directory: Path, **variables: str) -> asyncio.subprocess.Process:
    """Start it in an empty directory with nothing of ours in its environment."""
    ours = ("PODLINE_", "LIVEKIT_", "DAILY_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    root = str(Path(__file__).parents[3])
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller", "serve"),
        cwd=directory,
        env={**inherited, "PYTHONPATH": root, "TMPDIR": str(directory), **variables},
        stderr=asyncio.subprocess.PIPE,
    )


async def until_said(process: asyncio.subprocess.Process, word: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while word not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended before it said {word}"


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order_and_leaves_nothing_behind(
    tmp_path: Path, which: signal.Signals
) -> None:
    process = await run(tmp_path, PODLINE_PORT=str(free_port()))
    await until_said(process, "Uvicorn running")
    process.send_signal(which)

    async with asyncio.timeout(PATIENCE_SECONDS):
        _, said = await process.communicate()
    assert process.returncode == 0, said
    assert b"Traceback" not in said
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - an async function may not use the other


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"PODLINE_PORT": "loud", "PODLINE_CAPACITY": "0"},
            (
                "podline: PODLINE_PORT: Input should be a valid integer, unable to parse string as an "
                "integer; PODLINE_CAPACITY: Input should be greater than 0.\n"
            ),
        ),
        (
            {"PODLINE_KEYS_FILE": "/nowhere/keys.json"},
            "podline: PODLINE_KEYS_FILE: [Errno 2] No such file or directory: '/nowhere/keys.json'.\n",
        ),
        (
            {"PODLINE_SECRET": "too short"},
            (
                "podline: PODLINE_SECRET: use at least 16 characters, such as "
                "the output of `openssl rand -hex 32`.\n"
            ),
        ),
        (
            {
                "PODLINE_IDENTITY_KEYS_FILE": "/dev/null",
                "PODLINE_IDENTITY_ISSUER": "https://shop.example.com",
                "PODLINE_IDENTITY_AUDIENCE": "podline",
            },
            'podline: PODLINE_IDENTITY_KEYS_FILE: it is not a JWK Set, which is like {"keys": [...]}.\n',
        ),
        (
            {"PODLINE_PRICES_FILE": "/nowhere/prices.toml"},
            "podline: PODLINE_PRICES_FILE: /nowhere/prices.toml can't be read: No such file or directory.\n",
        ),
        (
            {"PODLINE_ROOMS": "livekit", "LIVEKIT_URL": "ws://livekit", "LIVEKIT_API_KEY": "key"},
            "podline: PODLINE_ROOMS=livekit needs LIVEKIT_API_SECRET: the secret of that key.\n",
        ),
        (
            {"PODLINE_ROOMS": "daily", "DAILY_API_KEY": "a key"},
            "podline: The Daily API key has characters that no key has; copy it again.\n",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://there:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            (
                "podline: OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent only as http/protobuf, which "
                "receivers accept at port 4318; set the endpoint to that and leave this variable out.\n"
            ),
        ),
    ],
)
async def test_a_wrong_setting_is_named_in_one_line(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    process = await run(tmp_path, **variables)
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, error = await process.communicate()

    assert (process.returncode, error.decode()) == (64, said)


async def test_variables_that_nothing_reads_are_named_wherever_they_stand_and_their_values_never(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("PODLINE_SESSION_PER_USER=hush\nPODLINE_SECRET:hush\nPODLINE_PORT=0\n")
    process = await run(tmp_path, PODLINE_CAPACITYY="hush", PODLINE_SERVICE_HOST="10.0.0.1")
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, error = await process.communicate()

    *lines, _ = error.decode().splitlines()
    warned = [json.loads(line) for line in lines]
    assert [(each["level"], each["event"]) for each in warned] == [("warning", "unknown setting")] * 3
    assert sorted(each["problem"] for each in warned) == [
        "PODLINE_CAPACITYY is not a setting; did you mean PODLINE_CAPACITY?",
        "PODLINE_SESSION_PER_USER is not a setting; did you mean PODLINE_SESSIONS_PER_USER?",
        "a line of .env that begins with PODLINE_ has no `=`",
    ]
    assert "hush" not in error.decode()


async def test_answers_do_not_name_the_server_that_serves_them(tmp_path: Path) -> None:
    port = free_port()
    process = await run(tmp_path, PODLINE_PORT=str(port))
    await until_said(process, "Uvicorn running")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answers = [await client.get(path) for path in ("/livez", "/none", f"/{'x' * 9000}")]
    process.send_signal(signal.SIGTERM)
    await process.communicate()

    assert [each.status_code for each in answers] == [200, 404, 414]
    assert [each.headers.get("server") for each in answers] == [None, None, None]
