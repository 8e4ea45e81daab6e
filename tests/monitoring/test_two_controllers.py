"""What boards show while two controllers are scraped: each session and each request once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from deploy.monitoring.files import GROUPS
from testing.builds.prometheus import promtool
from testing.processes import ROOT
from tests.monitoring.queries import panels

PANELS: Final = {(panel.board, panel.content["title"], panel.content["type"]): panel for panel in panels()}
FORMER: Final = 'namespace="voice",job="podline",instance="a"'
LATTER: Final = 'namespace="voice",job="podline",instance="b"'
OTHER: Final = 'namespace="shop",job="podline",instance="c"'

GAUGES: Final = {
    # The former leader's last scrape is still valid, the latter's first one as leader has come.
    **{
        f"podline_sessions{{{each},phase={phase}}}": value
        for each in (FORMER, LATTER)
        for phase, value in (('"live"', "7x60"), ('"starting"', "2x60"), ('"ended"', "90x60"))
    },
    **{f"podline_sessions_running{{{each}}}": "9x60" for each in (FORMER, LATTER)},
    **{f"podline_sessions_capacity{{{each}}}": "20x60" for each in (FORMER, LATTER)},
    **{f'podline_backlog{{{each},queue="launches"}}': "2x60" for each in (FORMER, LATTER)},
    f"podline_kubernetes_writes_pending{{{FORMER}}}": "3x60",
    f"podline_kubernetes_writes_pending{{{LATTER}}}": "3x60",
    **{
        f'podline_warm_bots{{{each},agent="shop",state="{state}"}}': value
        for each in (FORMER, LATTER)
        for state, value in (("ready", "3x60"), ("starting", "2x60"))
    },
    **{f'podline_warm_bots_wanted{{{each},agent="shop"}}': "5x60" for each in (FORMER, LATTER)},
    # Another installation counts beside them.
    f'podline_sessions{{{OTHER},phase="live"}}': "5x60",
    f"podline_sessions_running{{{OTHER}}}": "5x60",
    f"podline_sessions_capacity{{{OTHER}}}": "8x60",
}
COUNTERS: Final = {
    # The former leader's hour, and the latter's.
    f'podline_requests_total{{{FORMER},route="/v1/sessions",code="201"}}': "0+90x30 2700x30",
    f'podline_requests_total{{{FORMER},route="/v1/sessions",code="500"}}': "0+10x30 300x30",
    f'podline_requests_total{{{LATTER},route="/v1/sessions",code="201"}}': "0x30 0+90x30",
    f'podline_requests_total{{{LATTER},route="/v1/sessions",code="500"}}': "0x30 0+10x30",
    f"podline_session_start_seconds_count{{{FORMER}}}": "0+10x30 300x30",
    f'podline_session_start_seconds_bucket{{{FORMER},le="10.0"}}': "0+9x30 270x30",
    f"podline_session_start_seconds_count{{{LATTER}}}": "0x30 0+10x30",
    f'podline_session_start_seconds_bucket{{{LATTER},le="10.0"}}': "0x30 0+9x30",
    f"process_cpu_seconds_total{{{FORMER}}}": "0+30x60",
    f"process_cpu_seconds_total{{{LATTER}}}": "0+15x60",
    f"podline_ready{{{FORMER}}}": "1x60",
    f"podline_ready{{{LATTER}}}": "1x60",
}


def leading(former: str, latter: str) -> dict[str, str]:
    return {f"podline_leader{{{FORMER}}}": former, f"podline_leader{{{LATTER}}}": latter}


def ready(former: str, latter: str) -> dict[str, str]:
    return {f"podline_ready{{{FORMER}}}": former, f"podline_ready{{{LATTER}}}": latter}


@dataclass(frozen=True)
class Shown:
    """What a panel's first query shows, by its labels, after an hour."""

    board: str
    title: str
    series: dict[str, str]
    values: dict[str, float]
    kind: str = "stat"


SHOWN: Final = [
    Shown("calls", "Calls now", GAUGES, {"{}": 12}),
    Shown("calls", "Capacity in use", GAUGES, {"{}": 0.5}),
    Shown(
        "calls",
        "Capacity in use",
        GAUGES,
        {'{namespace="voice"}': 0.45, '{namespace="shop"}': 0.625},
        "timeseries",
    ),
    Shown("calls", "Capacity", GAUGES, {'{phase="live"}': 12, '{phase="starting"}': 2}, "timeseries"),
    Shown("calls", "First speech within 10 s", COUNTERS, {"{}": 0.9}),
    Shown("calls", "Warm bots", GAUGES, {'{agent="shop"}': 3}, "timeseries"),
    Shown("controller", "Requests that failed", COUNTERS, {"{}": 0.1}),
    Shown("controller", "Processor", COUNTERS, {"{}": 0.5}),
    Shown("controller", "Queues", GAUGES, {'{queue="launches"}': 2}, "timeseries"),
    Shown("controller", "Unwritten records", GAUGES, {"{}": 3}, "timeseries"),
    Shown("controller", "Ready", leading("1x60", "0x60") | ready("1x60", "0x60"), {"{}": 1}),
    Shown("controller", "Ready", leading("1x60", "0x60") | ready("0x60", "1x60"), {"{}": 0}),
    Shown("controller", "Ready", leading("0x60", "0x60") | ready("1x60", "1x60"), {"{}": 0}),
    Shown("controller", "Ready", ready("1x60", "_x60"), {"{}": 1}),
    Shown("controller", "Leaders", leading("0x60", "1x60"), {"{}": 1}),
    Shown("controller", "Ready controllers", ready("1x60", "1x60"), {"{}": 2}),
    Shown(
        "controller",
        "Who leads",
        leading("0x60", "1x60"),
        {'{instance="a"}': 0, '{instance="b"}': 1},
        "timeseries",
    ),
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda each: f"{each.board}: {each.title}: {each.kind}")
def test_a_panel_shows_what_there_is_once(shown: Shown, tmp_path: Path) -> None:
    asked = PANELS[shown.board, shown.title, shown.kind].expressions[0]
    looked_at = {
        "expr": asked,
        "eval_time": "60m",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in shown.values.items()],
    }
    series = [{"series": name, "values": values} for name, values in shown.series.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [looked_at]}
    file = tmp_path / "shown.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}), encoding="utf-8")

    promtool("test", "rules", file)


def gauges_of_leaders() -> set[str]:
    """Gauges that only a leader has: those about sessions, and its queues."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    section = text.partition("## Sessions")[2].partition("\n## ")[0]
    return {*re.findall(r"^\| `(\w+)` \| gauge ", section, re.MULTILINE), "podline_backlog"}


def test_gauges_that_two_controllers_may_have_at_once_are_never_added_up() -> None:
    expressions = [each for panel in PANELS.values() for each in panel.expressions]
    expressions += [rule.expression for group in GROUPS.values() for rule in group]
    gauge = re.compile(rf"\b({'|'.join(gauges_of_leaders())})\b")
    found = [(each, match.start()) for each in expressions for match in gauge.finditer(each)]

    wrong = [
        each
        for each, start in found
        if not re.search(r"max by \([^)]*\) \((last_over_time\()?$", each[:start])
    ]
    assert found
    assert wrong == []
