"""The plan of scripts/test runs each test once, whatever is asked for."""

from __future__ import annotations

import pytest

from podline_cli.errors import CommandError
from scripts.commands.programs import ROOT
from scripts.commands.running.parts import PARTS, is_within
from scripts.commands.running.plan import PLAN, Item, Lane, plan_for

FOLDERS = (
    (Lane(("contract", "tests/unit/bot tests/unit/deploy")), Lane(("unit",), gives_way=True)),
    (Lane(("node",)),),
)


def items(wanted: list[str]) -> list[Item]:
    return [item for group in plan_for(wanted) for lane in group for item in lane]


def runs(item: Item, file: str) -> bool:
    return any(is_within(file, path) for path in item.paths) and not any(
        is_within(file, path) for path in item.ignored
    )


def test_each_part_stands_in_the_plan_by_its_name_once() -> None:
    named = [item for group in PLAN for lane in group for item in lane.items if "/" not in item]

    assert sorted(named) == sorted(part.name for part in PARTS)


def test_everything_runs_each_file_once() -> None:
    all_items = items(["all"])
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]

    assert {file: sum(runs(item, file) for item in all_items) for file in files} == dict.fromkeys(files, 1)


def test_by_default_what_needs_no_cluster_runs() -> None:
    assert {item.part.name for item in items([])} == {
        "unit", "contract", "attacks", "monitoring", "web", "local"
    }  # fmt: skip


def test_what_an_item_names_is_left_to_it_by_the_part() -> None:
    [[bots, rest], [last]] = [
        [item for lane in group for item in lane] for group in plan_for(["unit", "node"], FOLDERS)
    ]

    assert bots.paths == ("tests/unit/bot", "tests/unit/deploy")
    assert (rest.paths, rest.ignored) == (("tests/unit",), ("tests/unit/bot", "tests/unit/deploy"))
    assert last.part.in_namespaces


def test_a_lane_gives_way_only_if_there_is_another() -> None:
    [[_, beside], _] = plan_for(["unit", "contract", "node"], FOLDERS)
    [[alone]] = plan_for(["web"], ((Lane(("web",), gives_way=True), Lane(("node",))),))

    assert [item.gives_way for item in beside] == [True]
    assert [item.gives_way for item in alone] == [False]


def test_a_path_runs_with_what_its_part_needs() -> None:
    [item] = items(["tests/attacks/node/test_reach_inside_the_cluster.py"])

    assert item.part.name == "node"
    assert item.part.in_namespaces


@pytest.mark.parametrize("unknown", ["units", "tests/none.py", "../main"])
def test_an_unknown_part_is_named_with_those_that_there_are(unknown: str) -> None:
    with pytest.raises(CommandError, match=f"There is no part or path '{unknown}': scripts/test runs unit,"):
        plan_for([unknown])
