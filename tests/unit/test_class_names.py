"""A class name says which thing is meant: no two public classes share one."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "controller", "deploy", "podline", "podline_cli", "sandbox", "scripts", "testing")


def homes() -> dict[str, list[str]]:
    """Map each public class at the top of a module to the modules that define one of its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("name", ["Session", "Room", "FakeRuntime"])
def test_well_known_classes_are_found(name: str) -> None:
    assert name in homes()


def test_each_public_class_name_has_one_home() -> None:
    assert {name: where for name, where in homes().items() if len(where) > 1} == {}
