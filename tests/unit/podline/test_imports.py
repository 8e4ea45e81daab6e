"""Podline runs inside other people's images, which have what Pipecat itself requires and no more."""

from __future__ import annotations

import ast
import functools
import re
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
    return names | {"msgspec", "pipecat", "podline", "pydantic_core"}


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
