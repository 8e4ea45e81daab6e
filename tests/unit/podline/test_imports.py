"""Podline runs inside other people's images, which have what Pipecat itself requires and no more."""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
MODULES: Final = sorted((ROOT / "podline").rglob("*.py"))

EXTRAS: Final = {
    "aiortc",
    "daily",
    "google",
    "livekit",
    "opentelemetry",
    "pipecat.services.google",
    "pipecat.transports.daily",
    "pipecat.transports.livekit",
    "pipecat.transports.smallwebrtc",
}
"""What extras of Pipecat install, and what of Pipecat needs them: `podline.extras` alone may import it."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def at_import(body: list[ast.stmt]) -> Iterator[str]:
    """What is imported when the file is: nothing that a function imports, or only a type checker."""
    for node in body:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from at_import(node.orelse)
            case ast.If() | ast.Try() | ast.With():
                yield from at_import(node.body)
            case ast.ClassDef():
                yield from at_import(node.body)


@functools.cache
def required() -> set[str]:
    """The packages that Pipecat requires without any extra, and pydantic's own core."""
    plain = [each for each in requires("pipecat-ai") or [] if "extra ==" not in each]
    named = {re.split(r"[^A-Za-z0-9._-]", each)[0].lower().replace("_", "-") for each in plain}
    names = {
        package
        for package, distributions in packages_distributions().items()
        if named & {each.lower().replace("_", "-") for each in distributions}
    }
    return names | {"pipecat", "podline", "pydantic_core"}


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_pipecat_requires(path: Path) -> None:
    foreign = {
        module
        for module in at_import(ast.parse(path.read_text()).body)
        if not is_within(module, {*required(), *sys.stdlib_module_names}) or is_within(module, EXTRAS)
    }

    assert foreign == set()


IMPORT_ALL: Final = """
import importlib, pkgutil, podline
for module in pkgutil.walk_packages(podline.__path__, "podline."):
    importlib.import_module(module.name)
    print(module.name)
"""

MEET_CALLER: Final = """
import asyncio, os
from podline.errors import ConfigInvalid
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.transports import prepare_transport
from podline.runner.settings import read_settings
async def meet_caller():
    try:
        prepare_transport(read_settings(os.environ), CallerMeeting(None, None))
    except ConfigInvalid as error:
        print(error.message)
asyncio.run(meet_caller())
"""

CALL: Final = {"SESSION_ID": "call-1", "USER_ID": "ana"}
ROOMS: Final = {
    "daily": {"DAILY_ROOM_URL": "https://shop.daily.co/room", "DAILY_TOKEN": "daily-secret"},
    "livekit": {"LIVEKIT_URL": "wss://shop.livekit.cloud", "LIVEKIT_TOKEN": "livekit-secret"},
    "webrtc": {
        "PODLINE_CONTROLLER_URL": "http://controller",
        "PODLINE_LAUNCH_ID": "launch-1",
        "PODLINE_LAUNCH_TOKEN": "launch-secret",
    },
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python in an environment with Pipecat as the lock has it, without any extra, and with podline."""
    uv = subprocess.run(
        ["bash", "-c", "source scripts/lib.sh && find_uv"],  # noqa: S607
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    environment = tmp_path_factory.mktemp("pipecat-alone") / "venv"
    what = ["--only-group", "pipecat", "--no-install-project", "--python", sys.executable]
    subprocess.run(  # noqa: S603
        [uv, "sync", "--quiet", "--frozen", *what],
        cwd=ROOT,
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(environment)},
        check=True,
    )
    [packages] = environment.glob("lib/python3*/site-packages")
    shutil.copytree(ROOT / "podline", packages / "podline", ignore=shutil.ignore_patterns("__pycache__"))
    return environment / "bin" / "python"


def run(python: Path, code: str, variables: dict[str, str] | None = None) -> list[str]:
    command = [str(python), "-I", "-W", "ignore", "-c", code]
    environment = os.environ | (variables or {})
    answer = subprocess.run(  # noqa: S603
        command, cwd=python.parent, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return answer.stdout.splitlines()


def test_every_module_imports_beside_pipecat_alone(python: Path) -> None:
    imported = run(python, IMPORT_ALL)

    assert {*imported} == {name_of(path) for path in MODULES} - {"podline"}


@pytest.mark.parametrize("extra", ROOMS)
def test_a_room_whose_extra_is_missing_names_it(python: Path, extra: str) -> None:
    [message] = run(python, MEET_CALLER, CALL | ROOMS[extra])

    assert message.endswith(f"add pipecat-ai[{extra}] to the bot's image.")
