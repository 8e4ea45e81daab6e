"""The files that are made, and what stands in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.parts import as_json
from deploy.monitoring.alerts import ALERTS, COST_LIMIT
from deploy.monitoring.objectives import OBJECTIVES
from deploy.monitoring.rules import Alert, Recording

DEPLOY: Final = Path(__file__).parents[1]
RULES: Final = DEPLOY / "monitoring" / "podline.rules.yaml"
PROMETHEUS_RULE: Final = DEPLOY / "monitoring" / "prometheus-rule.yaml"
DASHBOARDS: Final = DEPLOY / "dashboards"

_HEADER: Final = (
    "# Made by python -m deploy.monitoring: change objectives.py or alerts.py beside it and run that.\n"
)

GROUPS: Final[dict[str, list[Recording | Alert]]] = {
    "podline-limits": [COST_LIMIT],
    "podline-objectives": [each for objective in OBJECTIVES for each in objective.recordings()],
    "podline-burn": [each for objective in OBJECTIVES for each in objective.burn_alerts()],
    "podline-causes": [*ALERTS],
}


def alerts() -> list[Alert]:
    return [each for group in GROUPS.values() for each in group if isinstance(each, Alert)]


def made() -> dict[Path, str]:
    """Each file that is made, with its text."""
    groups = [{"name": name, "rules": [each.as_rule() for each in group]} for name, group in GROUPS.items()]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "podline"},
        "spec": {"groups": groups},
    }
    return {
        RULES: _HEADER + _yaml({"groups": groups}),
        PROMETHEUS_RULE: _HEADER + _yaml(resource),
        **{DASHBOARDS / f"{name}.json": as_json(board) for name, board in BOARDS.items()},
    }


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines as they are read best."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_block)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
