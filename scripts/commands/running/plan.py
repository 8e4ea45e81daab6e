"""The order of the tests.

Groups run one after the other. The lanes of a group run at the same time, and the items of a lane one after
the other, each as one run of pytest. An item is

- the name of a part: all of it that no other item of the plan names, or
- paths of one part, with spaces between them, such as "tests/unit/podline tests/unit/bot".

Each part has to be in the plan by its name once, so that a folder that nobody has thought of runs as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.commands.console import CommandError
from scripts.commands.programs import ROOT
from scripts.commands.running.parts import ALL, PARTS, Part, is_within, part_of

Lane = tuple[str, ...]
Group = tuple[Lane, ...]

PLAN: Final[tuple[Group, ...]] = (
    # At the same time: the tests of what runs in a bot's process mostly wait, for a model or a pipeline.
    (("tests/unit/podline tests/unit/bot",), ("unit",)),
    (("contract",),),
    (("attacks",),),
    (("monitoring",),),
    (("web",),),
    # Alone: several parts with calls at once make bots late on two cores.
    (("local",),),
    (("node",),),
    (("cluster",),),
)


@dataclass(frozen=True)
class Item:
    """One run of pytest."""

    part: Part
    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        if self.paths == self.part.paths:
            return self.part.name
        return " ".join(path.removeprefix("tests/") for path in self.paths)


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
    items = [[[_item(each, plan) for each in lane] for lane in group] for group in plan]
    groups = [[[each for each in lane if each.part.name in chosen] for lane in group] for group in items]
    by_path = _items_of_paths([each for each in wanted if each not in {*names, ALL}])
    groups += [[[item]] for item in by_path]
    return [lanes for group in groups if (lanes := [lane for lane in group if lane])]


def _item(text: str, plan: Sequence[Group]) -> Item:
    for part in PARTS:
        if part.name == text:
            named = tuple(
                path for path in _paths_named(plan) if part_of(path) == part and path not in part.paths
            )
            return Item(part, part.paths, (*part.ignored, *named))
    return _item_of_paths(tuple(text.split()))


def _paths_named(plan: Sequence[Group]) -> list[str]:
    items = [item for group in plan for lane in group for item in lane]
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
