"""Every query that is shipped, and what docs/reference/metrics.md says there is to query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.monitoring.files import DASHBOARDS, GROUPS
from deploy.monitoring.rules import Recording
from testing.processes import ROOT

BOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))
}

SUFFIXES: Final = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
OF_THE_TARGET: Final = {"namespace", "job", "instance"}
"""Labels that Prometheus gives to all that it scrapes from one target."""
OF_THE_PROCESS: Final = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


@dataclass(frozen=True)
class Panel:
    """One that is no row, with the row that it stands under."""

    board: str
    row: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.board}: {self.row}: {self.content['title']}"

    @property
    def expressions(self) -> list[str]:
        """Its queries, as Grafana sends them with everything chosen."""
        return [as_sent(target["expr"]) for target in self.content["targets"]]


def as_sent(expression: str) -> str:
    values = {"$namespace": ".*", "$model": ".*", "$__rate_interval": "1m", "$__range": "1h"}
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    return expression


def panels() -> Iterator[Panel]:
    for board, content in BOARDS.items():
        row = ""
        for panel in content["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
            else:
                yield Panel(board, row, panel)


def listed() -> dict[str, set[str]]:
    """Each series there can be, with its own labels: of the reference, of the process, of the rules."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(podline_\w+)` \| (\w+) \|[^|]*\|([^|]*)\|", text, re.MULTILINE)
    found = {
        name + suffix: {*re.findall(r"`(\w+)`", labels), *({"le"} if suffix == "_bucket" else ())}
        for name, kind, labels in table
        for suffix in SUFFIXES[kind]
    }
    recorded = {
        each.name: set[str]() for group in GROUPS.values() for each in group if isinstance(each, Recording)
    }
    return found | recorded | {name: set() for name in OF_THE_PROCESS}


def selected(expression: str) -> dict[str, set[str]]:
    """Each series that an expression selects, with the labels it selects by."""
    found: dict[str, set[str]] = {}
    for name, matchers in re.findall(
        r"\b((?:namespace:)?(?:podline|process)[_:][\w:]+)(?:\{([^}]*)\})?",
        re.sub(r'"[^"]*"', '""', expression),
    ):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=|!)", matchers))
    return found


def grouped(expression: str) -> set[str]:
    """The labels that an expression tells apart by."""
    return {
        label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")
    }
