"""The parts of the tests: where each is, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scripts.commands.running import needs
from scripts.commands.running.preparing import Preparation


@dataclass(frozen=True)
class Part:
    """A part of the tests, by the name that scripts/test knows it by.

    Attributes:
        paths: its folders.
        needs: what is prepared before any of it runs, in this order.
        ignored: folders below its own that belong to another part.
        in_namespaces: whether it runs as root in namespaces of its own.
        by_default: whether it runs where no part is named.
    """

    name: str
    paths: tuple[str, ...]
    needs: tuple[Preparation, ...] = ()
    ignored: tuple[str, ...] = ()
    in_namespaces: bool = False
    by_default: bool = True


PARTS: Final = (
    Part("unit", ("tests/unit",)),
    Part("contract", ("tests/contract",), (needs.PROMETHEUS, needs.ROOMS)),
    # All attacks are in one folder: those on a cluster and on nodes run with the part that has one.
    Part(
        "attacks",
        ("tests/attacks",),
        (needs.BROWSER,),
        ignored=("tests/attacks/cluster", "tests/attacks/node"),
    ),
    Part("monitoring", ("tests/monitoring",), (needs.PROMETHEUS,)),
    Part("web", ("tests/web",), (needs.WEB,)),
    Part(
        "local",
        ("tests/local",),
        (needs.BROWSER, needs.COLLECTOR, needs.TURN, needs.WEB, needs.PROMETHEUS, needs.ROOMS),
    ),
    Part("cluster", ("tests/cluster", "tests/attacks/cluster"), (needs.CLUSTER,), by_default=False),
    Part(
        "node",
        ("tests/node", "tests/attacks/node"),
        (needs.BROWSER, needs.NODE, needs.IMAGES),
        in_namespaces=True,
        by_default=False,
    ),
)

ALL: Final = "all"


def part_of(path: str) -> Part | None:
    """Return the part that a path belongs to: the one with the longest folder that it is in."""
    owners = [(len(folder), part) for part in PARTS for folder in part.paths if is_within(path, folder)]
    return max(owners, key=lambda owner: owner[0])[1] if owners else None


def is_within(path: str, folder: str) -> bool:
    """Whether a path, with or without a test's name, is the folder or below it."""
    return path.split("::", maxsplit=1)[0] == folder or path.startswith(f"{folder}/")
