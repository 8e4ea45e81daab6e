"""A real sandbox and a real controller, as processes in temporary directories, shared by the tests here."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from dotenv import dotenv_values

from podline.runner.ending import UNHURRIED_SECONDS
from sandbox.voice import Voice
from testing.callers.browsing import chromium_here, record
from testing.pictures.album import Album
from testing.processes import Program, Sandbox, answers, command_of, free_port, parent_of, processes_of
from testing.servers.livekit import LiveKitServer, livekit_server

LOG_LINES = 60
LEAVING_SECONDS = UNHURRIED_SECONDS + 10
"""Longer than a bot may take to leave a call without its controller."""
PROGRAMS = pytest.StashKey[list[Program]]()
ENDINGS = pytest.StashKey[list[str]]()
"""Lines of the table that is shown when all tests are done."""
COUNTED = pytest.StashKey[list[str]]()
"""Likewise, of what was counted."""
MODEL_FAULTS = pytest.StashKey[list[str]]()
"""Likewise, of what was heard of a model that misbehaves."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", type=Path, help="a folder for pictures of the pages in their states")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROGRAMS] = []
    config.stash[ENDINGS] = []
    config.stash[COUNTED] = []
    config.stash[MODEL_FAULTS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for title, table in (("endings", ENDINGS), ("counted", COUNTED), ("model faults", MODEL_FAULTS)):
        if lines := config.stash[table]:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test is shown with what the processes said."""
    report = yield
    if report.failed:
        for program in item.config.stash[PROGRAMS]:
            lines = program.said().splitlines()[-LOG_LINES:]
            report.sections.append((f"log of {program.name}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    directory = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "sandbox", "--directory", str(directory)]
    program = Program.start("sandbox", command, directory, {})
    pytestconfig.stash[PROGRAMS].append(program)
    try:
        program.wait_until((directory / "sandbox.env").exists)
        variables = {name: value or "" for name, value in dotenv_values(directory / "sandbox.env").items()}
        yield Sandbox(directory, variables, variables["CONVEX_URL"])
    finally:
        program.stop()
        assert processes_of(directory) == []


@contextlib.contextmanager
def serving(
    sandbox: Sandbox, directory: Path, programs: list[Program], variables: Mapping[str, str]
) -> Iterator[str]:
    """A controller with a sandbox and a short grace period, by its address; it takes its bots along."""
    port = free_port()
    variables = {
        **sandbox.variables,
        "PODLINE_PORT": str(port),
        "PODLINE_GRACE_SECONDS": "3",
        **variables,
    }
    command = [sys.executable, "-m", "controller", "serve"]
    program = Program.start("controller", command, directory, variables)
    programs.append(program)
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until(lambda: answers(f"{url}/readyz"))
        yield url
    finally:
        program.stop()
        until_bots_have_left(sandbox)


def until_bots_have_left(sandbox: Sandbox) -> None:
    """Check that no bot is left without a controller. Those of a killed one get a moment."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while (left := _bots_at(sandbox)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def _bots_at(sandbox: Sandbox) -> list[str]:
    bots = [line for line in processes_of(sandbox.directory) if "-m podline.runner" in line]
    return [line for line in bots if not _has_a_controller(int(line.split()[0]))]


def _has_a_controller(process: int) -> bool:
    """Whether it runs one, or a process between does that has forked it."""
    while "-m podline.runner" in command_of(process):
        process = parent_of(process)
    return "-m controller" in command_of(process)


@pytest.fixture(scope="session")
def controller_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("controller")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], {}) as url:
        yield url


@pytest.fixture(scope="session")
def livekit(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LiveKitServer]:
    """LiveKit's own server, shared by those who leave it running."""
    with livekit_server(tmp_path_factory.mktemp("livekit"), pytestconfig.stash[PROGRAMS].append) as server:
        yield server


@pytest.fixture
async def controller(controller_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=controller_url) as client:
        yield client


@pytest.fixture
async def store(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.store_url) as client:
        yield client


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


@pytest.fixture(scope="session")
def album(pytestconfig: pytest.Config) -> Album:
    folder: Path | None = pytestconfig.getoption("--pictures", default=None)
    return Album(folder)


@pytest.fixture(scope="session")
def chromium() -> Path:
    return chromium_here()


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory, voice: Voice) -> Path:
    return record(voice, tmp_path_factory.mktemp("microphone") / "script.wav")
