"""The order of the tests.

Groups run one after the other. The lanes of a group run at the same time, and the items of a lane one after
the other, each as one run of pytest. A lane that gives way gets the processor time that the others leave:
tests with calls mostly wait for people's speech and must not be late, while all other tests can be.

An item is

- the name of a part: all of it that no other item of the plan names, or
- paths of one part, with spaces between them, such as "tests/unit/podline tests/unit/bot".

Each part has to be in the plan by its name once, so that a folder that nobody has thought of runs as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from podline_cli.errors import CommandError
from scripts.commands.programs import ROOT
from scripts.commands.running.parts import ALL, PARTS, Part, is_within, part_of


@dataclass(frozen=True)
class Lane:
    """Items that run one after the other, and whether they give way to the group's other lanes."""

    items: tuple[str, ...]
    gives_way: bool = False


Group = tuple[Lane, ...]

PLAN: Final[tuple[Group, ...]] = (
    (
        Lane(("local",)),
        Lane(("node",)),
        Lane(("tests/unit/podline tests/unit/bot", "contract", "monitoring", "web"), gives_way=True),
        Lane(("unit", "attacks"), gives_way=True),
    ),
    # A control plane that is starved of time times out.
    (Lane(("cluster",)),),
)


@dataclass(frozen=True)
class Item:
    """One run of pytest."""

    part: Part
    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    gives_way: bool = False

    @property
    def name(self) -> str:
        if self.paths == self.part.paths:
            return self.part.name
        return " ".join(self.paths)


def plan_for(wanted: Sequence[str], plan: Sequence[Group] = PLAN) -> list[list[list[Item]]]:
    """Return the plan's groups with what is wanted of it: parts by name, 'all', or paths, which run last.

    Raises:
        CommandError: There is no such part or path.
    """
    names = {part.name for part in PARTS}
    chosen = {each for each in wanted if each in names}
    if ALL in wanted:
        chosen = names
    elif not wanted:
        chosen = {part.name for part in PARTS if part.by_default}
    groups = [_chosen_of(group, chosen, plan) for group in plan]
    by_path = _items_of_paths([each for each in wanted if each not in {*names, ALL}])
    groups += [[[item]] for item in by_path]
    return [group for group in groups if group]


def _chosen_of(group: Group, chosen: Collection[str], plan: Sequence[Group]) -> list[list[Item]]:
    """Return the lanes that have something chosen. They give way only if there is somebody to give way to."""
    lanes = [
        [item for each in lane.items if (item := _item(each, plan, lane.gives_way)).part.name in chosen]
        for lane in group
    ]
    lanes = [lane for lane in lanes if lane]
    if all(lane[0].gives_way for lane in lanes):
        return [[replace(item, gives_way=False) for item in lane] for lane in lanes]
    return lanes


def _item(text: str, plan: Sequence[Group], gives_way: bool) -> Item:  # noqa: FBT001 - the lane's
    for part in PARTS:
        if part.name == text:
            named = tuple(
                path for path in _paths_named(plan) if part_of(path) == part and path not in part.paths
            )
            return Item(part, part.paths, (*part.ignored, *named), gives_way)
    return replace(_item_of_paths(tuple(text.split())), gives_way=gives_way)


def _paths_named(plan: Sequence[Group]) -> list[str]:
    items = [item for group in plan for lane in group for item in lane.items]
    return [path for item in items for path in item.split() if "/" in path]


def _items_of_paths(paths: Sequence[str]) -> list[Item]:
    by_part: dict[str, list[str]] = {}
    for path in paths:
        by_part.setdefault(_item_of_paths((path,)).part.name, []).append(path.rstrip("/"))
    return [_item_of_paths(tuple(each)) for each in by_part.values()]


def _item_of_paths(paths: tuple[str, ...]) -> Item:
    part = part_of(paths[0].rstrip("/"))
    if part is None or not Path(ROOT, paths[0].split("::")[0]).exists():
        known = ", ".join(each.name for each in PARTS)
        raise CommandError(
            f"There is no part or path '{paths[0]}': scripts/test runs {known}, "
            f"all of them with '{ALL}', or paths below tests/."
        )
    ignored = tuple(each for each in part.ignored if any(is_within(each, path) for path in paths))
    return Item(part, paths, ignored)
