"""What deploy/ ships is what was made from one source, and each alert has its entry in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards.boards import BOARDS
from deploy.monitoring.alerts import COST_LIMIT
from deploy.monitoring.files import DASHBOARDS, DEPLOY, PROMETHEUS_RULE, alerts, made
from deploy.monitoring.rules import Alert
from testing.processes import ROOT

MOST_APPLY_CAN_KEEP = 262_144
"""Bytes of annotations, one of which is the whole object."""

RUNBOOK = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
OBSERVING = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (Podline\w+)\n(.*?)(?=^#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))


def document(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_a_made_file_is_as_its_source_says(path: Path) -> None:
    """Where this fails: python -m deploy.monitoring."""
    assert path.read_text(encoding="utf-8") == made()[path]


def test_no_board_is_left_over() -> None:
    assert {path.stem for path in DASHBOARDS.glob("*.json")} == set(BOARDS)


def test_the_sidecar_gets_each_board_and_can_be_given_it() -> None:
    generated = document(DASHBOARDS / "kustomization.yaml")["configMapGenerator"]

    assert [each["files"] for each in generated] == [[f"{name}.json"] for name in BOARDS]
    for each in generated:
        assert each["options"]["labels"] == {"grafana_dashboard": "1"}
        assert (DASHBOARDS / each["files"][0]).stat().st_size < MOST_APPLY_CAN_KEEP / 2


def test_the_limit_of_cost_is_where_the_page_s_patch_replaces_it() -> None:
    [patch] = re.findall(r"patch: '(\[.*\])'", OBSERVING)
    [operation] = yaml.safe_load(patch)
    found: Any = document(PROMETHEUS_RULE)
    *way, last = operation["path"].strip("/").split("/")
    for step in way:
        found = found[int(step) if step.isdigit() else step]

    assert (found["record"], last) == (COST_LIMIT.name, "expr")


def test_what_is_scraped_is_the_controller_s_own_service() -> None:
    service = document(DEPLOY / "base" / "service.yaml")
    monitor = document(DEPLOY / "monitoring" / "service-monitor.yaml")
    [endpoint] = monitor["spec"]["endpoints"]
    others = [
        each
        for path in (DEPLOY / "overlays").rglob("*.yaml")
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if isinstance(each, dict) and each.get("kind") == "Service"
    ]

    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert not [each for each in others if wanted.items() <= each["metadata"].get("labels", {}).items()]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_leads_to_its_entry(alert: Alert) -> None:
    entry = ENTRIES[alert.name]

    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")
    assert alert.runbook_url == f"docs/alerts.md#{alert.name.lower()}"
    assert re.findall(r"^\*\*(.*?)\*\*", entry, re.MULTILINE) == ["Means", "Look at", "Do"]


def test_no_entry_is_left_over() -> None:
    assert set(ENTRIES) == {alert.name for alert in alerts()}
