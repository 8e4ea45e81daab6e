"""Each alert fires where it should and is silent where it should, by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.monitoring.files import RULES, alerts
from testing.builds.prometheus import promtool
from tests.monitoring.situations import CAUSES, Situation
from tests.monitoring.situations_of_objectives import FAILURES, STARTS

SITUATIONS = [*STARTS, *FAILURES, *CAUSES]
ALERTS = {each.name: each for each in alerts()}


def as_promtool_has_it(situation: Situation) -> dict[str, object]:
    alert = ALERTS[situation.alert]
    expected = []
    if situation.says is not None:
        annotations = {
            "summary": alert.summary,
            "description": situation.says,
            "runbook_url": alert.runbook_url,
        }
        labels = {"severity": alert.severity, **situation.labels}
        expected = [{"exp_labels": labels, "exp_annotations": annotations}]
    series = [{"series": name, "values": values} for name, values in situation.series.items()]
    looked_at = {"eval_time": situation.at, "alertname": alert.name, "exp_alerts": expected}
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": situation.step,
        "tests": [{"interval": situation.step, "input_series": series, "alert_rule_test": [looked_at]}],
    }


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: f"{each.alert}: {each.what}")
def test_an_alert_says_what_is_the_matter_and_nothing_else(situation: Situation, tmp_path: Path) -> None:
    file = tmp_path / "situation.yaml"
    file.write_text(yaml.safe_dump(as_promtool_has_it(situation)), encoding="utf-8")

    promtool("test", "rules", file)


def test_each_alert_has_a_situation_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    firing = {each.alert for each in SITUATIONS if each.says is not None}
    silent = {each.alert for each in SITUATIONS if each.says is None}

    assert firing == silent == set(ALERTS)
