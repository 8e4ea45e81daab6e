"""The images at work, locked down as a pod is: signals, settings, and a bot on each transport."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from dotenv import dotenv_values

from podline.contract import environment
from sandbox.caller import calling
from sandbox.voice import Voice
from testing.builds.images import cache_directory, in_podman
from testing.builds.podman import LOCKED_DOWN, Container, Podman
from testing.fakes.controllers.served import serve_controller
from testing.node.talking import ask

PROMPT_SECONDS: Final = 5.0
"""How long a program may take to leave that has nobody to say goodbye to. Bots still call the controller."""

SOON_SECONDS: Final = 20.0
NOBODY: Final = "http://127.0.0.1:9"
LONE: Final = {
    environment.SESSION_ID: "alone",
    environment.USER_ID: "ana",
    environment.GOOGLE_API_KEY: "a-key",
    environment.CONVEX_URL: NOBODY,
}
DAILY: Final = {environment.DAILY_ROOM_URL: "https://podline.invalid/room", environment.DAILY_TOKEN: "token"}
LIVEKIT: Final = {environment.LIVEKIT_URL: "wss://podline.invalid", environment.LIVEKIT_TOKEN: "token"}
WEBRTC: Final = {
    environment.CONTROLLER_URL: NOBODY,
    environment.LAUNCH_ID: "a-launch",
    environment.LAUNCH_TOKEN: "token",
}
TOLD: Final = [value for value in vars(environment).values() if isinstance(value, str) and value.isupper()]
"""The variables by which a controller tells a bot what to do."""

IN_A_CONTAINER: Final = """
chown 10001 . &&
exec "$@" --name="podline-$SESSION_ID" --volume="$PWD:$PWD" "$0"
"""
"""Run by the local runtime in a launch's directory, where the bot leaves its final report."""

Start = Callable[..., Container]


@pytest.fixture(scope="module")
def podman() -> Podman:
    return Podman(cache_directory())


@contextlib.contextmanager
def starting(podman: Podman) -> Iterator[Start]:
    """Start containers in the block, and remove them at its end."""
    containers: list[Container] = []

    def start_one(name: str, *arguments: str, options: tuple[str, ...] = (), **variables: str) -> Container:
        image = in_podman(podman, name)
        containers.append(Container(podman, image, *arguments, options=options, **variables))
        return containers[-1]

    try:
        yield start_one
    finally:
        for container in containers:
            container.remove()


@pytest.fixture
def start(podman: Podman) -> Iterator[Start]:
    """Starts containers, and removes them after the test."""
    with starting(podman) as start_one:
        yield start_one


@pytest.fixture(scope="module")
def shop(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a bot has to know of a sandbox that runs in its image."""
    directory = tmp_path_factory.mktemp("sandbox")
    # Another user's, whose folders above it let nobody else in.
    for folder in (directory, *directory.parents[:2]):
        folder.chmod(0o777)
    with starting(podman) as start_one:
        options = (f"--volume={directory}:{directory}",)
        sandbox = start_one("sandbox", "--directory", str(directory), options=options)
        until(sandbox, (directory / "sandbox.env").exists)
        yield {name: value or "" for name, value in dotenv_values(directory / "sandbox.env").items()}


@pytest.fixture
def _address() -> Iterator[None]:
    """An address for WebRTC, which takes none of loopback's own, where there is no network at all."""
    if subprocess.run(["hostname", "--all-ip-addresses"], capture_output=True, check=True).stdout.strip():  # noqa: S607
        yield
        return
    address = ("192.0.2.1/32", "dev", "lo")  # one of those meant for examples
    subprocess.run(["ip", "address", "add", *address], check=True)  # noqa: S603, S607 - our own
    yield
    subprocess.run(["ip", "address", "delete", *address], check=True)  # noqa: S603, S607 - our own


def until(container: Container, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_SECONDS
    while not is_ready():
        assert time.monotonic() < deadline, container.said()
        time.sleep(0.05)


def knowing(shop: dict[str, str]) -> tuple[str, ...]:
    """Options by which a container's bot finds the sandbox and trusts it."""
    trusted = Path(shop[environment.SSL_CERT_FILE]).parent
    known = (f"--env={name}={shop[name]}" for name in environment.SHARED if name in shop)
    return (*known, f"--volume={trusted}:{trusted}:ro")


def bot_command(podman: Podman, shop: dict[str, str]) -> tuple[str, ...]:
    """By which the local runtime runs bots in containers."""
    own = [f"--env={name}" for name in TOLD if name not in shop]
    run = (*podman.command, "run", "--rm", "--network=host", *LOCKED_DOWN, *knowing(shop), *own)
    return ("sh", "-c", IN_A_CONTAINER, in_podman(podman, "bot"), *run)


@pytest.mark.parametrize(
    ("name", "variables", "code", "sentence"),
    [
        ("bot", LONE | WEBRTC | {environment.CONVEX_URL: "ftp://shop"}, 64, "CONVEX_URL"),
        ("controller", {"PODLINE_RUNTIME": "moon"}, 64, "PODLINE_RUNTIME"),
        ("sandbox", {}, 2, "--directory"),
    ],
)
def test_wrong_settings_end_it_with_a_sentence(
    start: Start, name: str, variables: dict[str, str], code: int, sentence: str
) -> None:
    container = start(name, **variables)

    assert container.exit_code() == code
    assert sentence in container.said()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.2, 0.5, 1.0])
def test_a_bot_told_to_stop_while_it_starts_does_not_wait_to_be_killed(
    start: Start, shop: dict[str, str], seconds: float
) -> None:
    bot = start("bot", options=knowing(shop), **LONE, **WEBRTC)
    time.sleep(seconds)
    code, took = bot.terminate()

    # Before there is a handler the signal itself ends it.
    assert code in (0, 128 + 15)
    assert took < PROMPT_SECONDS


def test_a_controller_takes_the_signal(start: Start) -> None:
    controller = start("controller", "serve", PODLINE_PORT="7868", HOME="/tmp")  # noqa: S108 - a pod's own
    until(controller, lambda: "7868" in controller.said())
    code, took = controller.terminate()

    assert code == 0, controller.said()
    assert took < PROMPT_SECONDS


@pytest.mark.parametrize(("provider", "room"), [("Daily", DAILY), ("LiveKit", LIVEKIT)])
def test_a_room_that_cannot_be_joined_is_refused_with_a_sentence(
    start: Start, shop: dict[str, str], tmp_path: Path, provider: str, room: dict[str, str]
) -> None:
    """Which takes the provider's native library, whole."""
    word = tmp_path / "word"
    word.touch()
    word.chmod(0o666)
    given = {**LONE, **room, environment.LAST_WORD: "/dev/termination-log"}
    bot = start("bot", options=(*knowing(shop), f"--volume={word}:/dev/termination-log"), **given)

    assert bot.exit_code() == 65, bot.said()
    assert json.loads(word.read_bytes())["reason"] == "room_refused"
    assert f"{provider} did not let the bot in" in bot.said()


@pytest.mark.usefixtures("_address")
async def test_a_call_over_webrtc(podman: Podman, shop: dict[str, str], voice: Voice, tmp_path: Path) -> None:
    command = bot_command(podman, shop)
    secret = shop["PODLINE_STORE_SECRET"]
    async with serve_controller(tmp_path, command=command, store_secret=secret) as controller:
        async with calling(str(controller.client.base_url), voice, user_id="ana") as (caller, session_id):
            assert session_id is not None
            await caller.hears_bot()
            await caller.bot_quiet()
            found = await ask(caller, "find running shoes under one hundred dollars")
        session = await controller.until_over(session_id)

    assert (session["reason"], session["usage"]["turns"]) == ("caller_left", 1)
    assert found.data["query"] == "running shoes"
