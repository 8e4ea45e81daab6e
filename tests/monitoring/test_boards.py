"""Boards can be read without asking, and query what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from deploy.monitoring.files import DASHBOARDS, GROUPS
from testing.builds.prometheus import promtool
from tests.monitoring.queries import BOARDS, OF_THE_TARGET, Panel, grouped, listed, panels, selected

PANELS = list(panels())
OF_THE_RULES = [rule.expression for group in GROUPS.values() for rule in group]

each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
each_board = pytest.mark.parametrize("board", BOARDS)


@each_panel
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Panel) -> None:
    content = panel.content
    axis = content["options"].get("yAxis", {}) if panel.content["type"] == "heatmap" else {}
    unit = axis.get("unit") or content["fieldConfig"]["defaults"].get("unit")

    assert content["title"]
    assert content["description"].endswith(".")
    assert unit
    assert content["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert content["datasource"]["uid"] == "${datasource}"
    assert content["targets"]


@each_panel
def test_a_panel_can_be_asked_what_its_colours_are(panel: Panel) -> None:
    options = panel.content["options"]

    match panel.content["type"]:
        case "timeseries":
            assert options["legend"]["showLegend"]
            assert options["tooltip"]["mode"] == "multi"
        case "heatmap":
            assert options["tooltip"]["show"]
        case "stat":
            assert options["colorMode"] == "value"


@each_panel
def test_a_panel_follows_the_choice_of_namespace(panel: Panel) -> None:
    for target in panel.content["targets"]:
        chosen = target["expr"].count('namespace=~"$namespace"')
        # The limit of cost is one for all.
        assert chosen or "podline:cost_per_hour:limit" in target["expr"]


@pytest.mark.parametrize(
    "expression", [each for panel in PANELS for each in panel.expressions] + OF_THE_RULES
)
def test_a_query_uses_what_docs_metrics_lists(expression: str) -> None:
    known = listed()
    found = selected(expression)
    labels = OF_THE_TARGET.union(*(known[name] for name in found))

    for name, by in found.items():
        assert by <= known[name] | OF_THE_TARGET
    assert found or expression == "vector(50)"
    assert grouped(expression) <= labels


def test_each_query_parses(tmp_path: Path) -> None:
    expressions = [each for panel in PANELS for each in panel.expressions]
    rules = [{"record": f"query:number_{n}", "expr": each} for n, each in enumerate(expressions)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")

    promtool("check", "rules", file)


@each_panel
def test_a_legend_names_labels_that_the_query_leaves(panel: Panel) -> None:
    for target, expression in zip(panel.content["targets"], panel.expressions, strict=True):
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        left = grouped(expression) if " by (" in expression else OF_THE_TARGET
        assert named <= left | {"namespace"}


@each_board
def test_a_board_can_be_found_and_fits_its_grid(board: str) -> None:
    content = BOARDS[board]
    shown = content["panels"]
    positions = [each["gridPos"] for each in shown if each["type"] != "row"]
    cells = [
        (x, y)
        for at in positions
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    identities = [each["id"] for each in shown]

    assert content["uid"] == f"podline-{board}"
    assert content["tags"] == ["podline"]
    assert max(x for x, _ in cells) < 24
    assert len(cells) == len(set(cells))
    assert len(identities) == len(set(identities))


@each_board
def test_the_variables_of_a_board_are_used(board: str) -> None:
    content = BOARDS[board]
    text = (DASHBOARDS / f"{board}.json").read_text(encoding="utf-8")
    names = [each["name"] for each in content["templating"]["list"]]

    assert names[:2] == ["datasource", "namespace"]
    for name in names:
        assert re.search(rf"\$\{{?{name}\b", text)
    assert set(re.findall(r"\$\{?([a-z]\w*)", text)) <= set(names)
