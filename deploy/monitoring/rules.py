"""What a rule is, and how it is written down for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

RUNBOOK: Final = "docs/operations.md"
"""Where the entry of each alert is. An installation whose people read it elsewhere has its address here."""


@dataclass(frozen=True)
class Recording:
    """A series that is computed ahead."""

    name: str
    expression: str

    def as_rule(self) -> dict[str, Any]:
        return {"record": self.name, "expr": self.expression}


@dataclass(frozen=True)
class Alert:
    """Something that a person is told.

    Attributes:
        name: also the heading of its entry in the runbook.
        severity: a `page` wakes somebody, a `ticket` waits until the morning.
        expression: what must be so.
        lasts: for how long, before anybody is told.
        summary: what has happened, without figures.
        description: the figures, and where to look first.
    """

    name: str
    severity: Literal["page", "ticket"]
    expression: str
    summary: str
    description: str
    lasts: str = "0m"

    @property
    def runbook_url(self) -> str:
        return f"{RUNBOOK}#{self.name.lower()}"

    def as_rule(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": self.runbook_url,
            },
        }
