"""Prometheus beside the demo: its program, its configuration, and what to look at in it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy" / "monitoring" / "podline.rules.yaml"
UNPACKED: Final = ROOT / ".tools" / "prometheus" / "usr" / "bin"
"""Where scripts/commands/running/needs.py unpacks Debian's package."""

EVERY: Final = "5s"
"""How often the controller is scraped and the rules are evaluated: soon enough for somebody who waits."""

QUESTIONS: Final = {
    "Seconds until the bot answers": (
        "rate(podline_response_latency_seconds_sum[2m]) / rate(podline_response_latency_seconds_count[2m])"
    ),
    "Where a start's time goes": "sum by (stage) (podline_session_start_stage_seconds_sum)",
    "What the tokens cost": "sum by (model, currency) (podline_cost_total)",
}
"""Queries that a person may want to see after a first call, by what they show."""


def find_program(name: str, path: str | None) -> str | None:
    """Where Prometheus or promtool is: on this PATH, else unpacked."""
    return shutil.which(name, path=os.pathsep.join([path or "", str(UNPACKED)]))


@dataclass(frozen=True)
class Prometheus:
    """One that listens on loopback, scrapes one controller and knows the rules that operators get.

    Attributes:
        program: where it is.
        port: where it listens.
        target: the controller's address and port for metrics.
        directory: for its configuration and all that it keeps.
    """

    program: str
    port: str
    target: str
    directory: Path

    @property
    def command(self) -> list[str]:
        """How to run it, once `configure` was called."""
        return [
            self.program,
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]

    def configure(self) -> None:
        """Write its configuration."""
        # The boards choose by namespace, which a cluster's Prometheus adds.
        demo = {"targets": [self.target], "labels": {"namespace": "demo"}}
        configuration: dict[str, Any] = {
            "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "podline", "static_configs": [demo]}],
        }
        # JSON is YAML, and no path can be taken for more than it is.
        self._configuration.write_text(json.dumps(configuration, indent=2), encoding="utf-8")

    def guide(self) -> str:
        """Return its address and what to look at, for a person."""
        url = f"http://127.0.0.1:{self.port}"
        links = {name: _graph(url, expression) for name, expression in QUESTIONS.items()}
        links["What would wake an operator"] = f"{url}/alerts"
        width = max(map(len, links))
        return "\n".join(
            [
                f"Prometheus is at {url}/ and scrapes every {EVERY}. After a call, look at",
                *(f"  {name:{width}}  {where}" for name, where in links.items()),
            ]
        )

    @property
    def _configuration(self) -> Path:
        return self.directory / "prometheus.yml"


def _graph(url: str, expression: str) -> str:
    return f"{url}/graph?" + urlencode({"g0.expr": expression, "g0.tab": 0, "g0.range_input": "15m"})
