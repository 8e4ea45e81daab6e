"""Each event that controller and bot log has a name that never changes, and an entry in the runbook."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SPANS = "podline/spans.py"
"""The one module whose events either side logs."""
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
NAME = re.compile(r"[a-z][a-z', ]*[a-z]")


class Logged(NamedTuple):
    """A call that logs, and where it stands."""

    where: str
    call: ast.Call

    @property
    def event(self) -> str | None:
        [first] = self.call.args
        return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def logged_by(package: str) -> Iterator[Logged]:
    """All calls of a logger's methods, but for those that hand on what a library has said."""
    for path in sorted({ROOT / package} if package.endswith(".py") else (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            logger = ast.unparse(node.func.value)
            if node.func.attr in LEVELS and re.match(r"(log|logger)\b", logger):
                yield Logged(f"{path.relative_to(ROOT)}:{node.lineno}", node)


def events(package: str) -> set[str]:
    return {logged.event for logged in logged_by(package) if logged.event is not None}


def runbook(heading: str) -> set[str]:
    """The events in the table below a heading of docs/reference/events.md."""
    text = (ROOT / "docs" / "reference" / "events.md").read_text()
    section = text.split(f"\n{heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("package", ["bot", "controller", "podline"])
def test_the_name_of_an_event_is_constant_and_holds_no_data(package: str) -> None:
    wrong = [
        logged.where
        for logged in logged_by(package)
        if len(logged.call.args) != 1 or logged.event is None or not NAME.fullmatch(logged.event)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("packages", "heading"),
    [(("controller", SPANS), "## The controller's events"), (("bot", "podline"), "## A bot's events")],
)
def test_the_runbook_has_each_event(packages: tuple[str, ...], heading: str) -> None:
    assert set().union(*(events(package) for package in packages)) == runbook(heading)
