"""Podline runs inside other people's images, which have what Pipecat itself requires and no more."""

from __future__ import annotations

import ast
import functools
import json
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

NEEDS_MORE: Final = {
    "podline.gemini.failures": {"google", "pipecat.services.google"},
    "podline.gemini.service": {"google", "pipecat.services.google", "podline.gemini.failures"},
    "podline.runner.observers.spans": {"opentelemetry", "podline.spans"},
    "podline.runner.room.daily": {"pipecat.transports.daily"},
    "podline.runner.room.guarded_connection": {"aiortc", "pipecat.transports.smallwebrtc"},
    "podline.runner.room.livekit": {"livekit", "pipecat.transports.livekit"},
    "podline.runner.room.peer": {
        "aiortc",
        "pipecat.transports.smallwebrtc",
        "podline.runner.room.guarded_connection",
    },
    "podline.spans": {"opentelemetry"},
}
"""Modules that can't do without an extra, each with what it imports beyond the rest: docs/decisions.md."""

EXTRAS: Final = {each for more in NEEDS_MORE.values() for each in more} | NEEDS_MORE.keys()
"""What no other module may import before it is needed, though it may be installed here."""


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
def test_a_module_imports_what_pipecat_requires_and_only_listed_ones_an_extra(path: Path) -> None:
    own = NEEDS_MORE.get(name_of(path), set())
    foreign = {
        module
        for module in at_import(ast.parse(path.read_text()).body)
        if not is_within(module, {*required(), *sys.stdlib_module_names}) or is_within(module, EXTRAS)
    }

    assert {module for module in foreign if not is_within(module, own)} == set()


def test_each_listed_module_is_there() -> None:
    assert NEEDS_MORE.keys() <= {name_of(path) for path in MODULES}


IMPORT_ALL: Final = """
import importlib, json, pkgutil, podline
missing = {}
for module in pkgutil.walk_packages(podline.__path__, "podline."):
    if not module.name.endswith(".__main__"):
        try:
            importlib.import_module(module.name)
            missing[module.name] = None
        except ImportError as error:
            missing[module.name] = str(error.name)
import podline.runner.__main__
print(json.dumps(missing))
"""


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


def test_every_module_imports_beside_pipecat_alone_but_the_listed(python: Path) -> None:
    command = [str(python), "-I", "-W", "ignore", "-c", IMPORT_ALL]

    answer = subprocess.run(command, cwd=python.parent, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603

    missing: dict[str, str | None] = json.loads(answer.stdout.splitlines()[-1])
    assert {name for name, package in missing.items() if package} == NEEDS_MORE.keys(), missing
