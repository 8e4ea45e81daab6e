"""Recording rules and alerts, and their form for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

RUNBOOK: Final = "docs/alerts.md"
"""The page with each alert's entry. If your team reads it elsewhere, put that address here."""


@dataclass(frozen=True)
class Recording:
    """A series that Prometheus computes in advance."""

    name: str
    expression: str

    def as_rule(self) -> dict[str, Any]:
        return {"record": self.name, "expr": self.expression}


@dataclass(frozen=True)
class Alert:
    """A condition that a person is notified of.

    Attributes:
        name: also the heading of its entry in the runbook.
        severity: a `page` wakes somebody, a `ticket` waits until the morning.
        expression: the condition, in PromQL.
        lasts: how long it must hold before anybody is notified.
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
