"""How much is measured over a cluster: for figures, or only to see that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sizes:
    """How often, and how many.

    Attributes:
        starts: In one turn, by how many are under way at any time.
        turns: Of each contender in a round, short so that the API server's collection of garbage falls into
            few of them.
        start_rounds: Each with processes and namespaces of its own.
        warm_up: As many connections as there will be at one time.
        burst: Starts at one moment.
        capacity: Of the controller that gets them.
        changes: Of pods, in a round.
        event_rounds: Of changes.
        restarts: Of a controller.
        settled_seconds: Before its memory is read.
    """

    starts: Mapping[int, int]
    turns: int
    start_rounds: int
    warm_up: int
    burst: int
    capacity: int
    changes: int
    event_rounds: int
    restarts: int
    settled_seconds: float


FULL: Final = Sizes(
    starts={1: 40, 16: 80, 64: 160},
    turns=6,
    start_rounds=6,
    warm_up=64,
    burst=1000,
    capacity=500,
    changes=500,
    event_rounds=3,
    restarts=5,
    settled_seconds=3.0,
)
SMALL: Final = Sizes(
    starts={1: 1, 16: 2, 64: 4},
    turns=1,
    start_rounds=1,
    warm_up=2,
    burst=6,
    capacity=3,
    changes=3,
    event_rounds=1,
    restarts=1,
    settled_seconds=0.1,
)
