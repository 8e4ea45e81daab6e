"""How many warm bots each agent should have, which to create now, and which to give up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from statistics import median
from typing import Final

from controller.core.agents import AgentDefinition

OLDEST_SECONDS: Final = 3600.0
"""A warm bot is replaced at this age: what it has imported and resolved may be out of date."""

MOST_AT_ONCE: Final = 4
"""Launches of one agent's warm bots that the runtime has not answered: starts of calls share it with them."""

MOST_PER_SECOND: Final = 10
"""Warm bots of one agent that are created in a second: a cluster's API server is for others too."""

MOST_AUTOMATIC: Final = 50
"""The largest buffer that `auto` computes."""

USUAL_START_SECONDS: Final = 10.0
"""How long a warm bot of an agent needs to become ready, until one has shown it."""

_WINDOWS: Final = (60.0, 600.0)
"""Arrivals are averaged over each of these: the first notices a rush, the second remembers it for a while."""

ARRIVALS_SECONDS: Final = max(_WINDOWS)
"""For how long an arrival counts."""

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


class WarmStage(StrEnum):
    """How far a warm bot is."""

    STARTING = "starting"
    READY = "ready"
    CLAIMING = "claiming"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBot:
    """A warm bot as the plan sees it.

    Attributes:
        stage: never `claiming`: such a bot counts as in use.
        is_current: it was launched from the active version of its agent, with what that is given now.
        age: in seconds.
    """

    launch_id: str
    stage: WarmStage
    is_current: bool = True
    age: float = 0.0

    @property
    def waits(self) -> bool:
        return self.stage in (WarmStage.STARTING, WarmStage.READY)

    @property
    def is_ready(self) -> bool:
        return self.stage is WarmStage.READY

    @property
    def is_fresh(self) -> bool:
        """Whether it need not be replaced."""
        return self.waits and self.is_current and self.age < OLDEST_SECONDS


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures of an agent's warm bots in a row, and the pause after the latest.

    Attributes:
        count: how many there were since one has proved itself.
        cause: of the latest, as a sentence; None without any.
        retry_at: when the next may be created, on the monotonic clock.
    """

    count: int = 0
    cause: str | None = None
    retry_at: float = 0.0

    def failed(self, cause: str, now: float) -> Failures:
        """Count one more. Those that fail during the pause are part of the same trouble."""
        if now < self.retry_at:
            return replace(self, cause=cause)
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self.count, 30), _LONGEST_PAUSE_SECONDS)
        return Failures(self.count + 1, cause, now + pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One agent's pool right now.

    Attributes:
        definition: the active one; None if the agent has none, or must keep no warm bots.
        in_use: sessions with a bot, and warm bots that are being claimed.
        bots: the agent's other warm bots.
        arrivals: how many seconds ago each of the last starts came.
        start_seconds: how long the last warm bots took to become ready.
        unanswered: launches that the runtime has not answered.
        created: how many bots were created within the last second.
        failures: of the agent's warm bots.
    """

    definition: AgentDefinition | None
    in_use: int
    bots: Sequence[SeenBot] = ()
    arrivals: Sequence[float] = ()
    start_seconds: Sequence[float] = ()
    unanswered: int = 0
    created: int = 0
    failures: Failures = Failures()

    @property
    def held(self) -> int:
        """How many bots the agent has."""
        return self.in_use + len(self.bots)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """What to do for one agent.

    Attributes:
        wanted: how many warm bots should wait.
        create: how many to create now.
        give_up: launch ids of those that nobody needs.
        problem: why fewer wait than are wanted, or than the definition asks for; None if that will pass.
    """

    wanted: int = 0
    create: int = 0
    give_up: tuple[str, ...] = ()
    problem: str | None = None


def has_pool(definition: AgentDefinition) -> bool:
    """Return whether an agent ever keeps warm bots."""
    return definition.min_agents > 0 or definition.buffer != 0


def automatic_buffer(arrivals: Sequence[float], start_seconds: Sequence[float]) -> int:
    """Return how many starts come, on average, while one warm bot becomes ready."""
    rate = max(sum(age <= window for age in arrivals) / window for window in _WINDOWS)
    seconds = median(start_seconds) if start_seconds else USUAL_START_SECONDS
    return min(ceil(rate * seconds), MOST_AUTOMATIC)


def plan(pools: Mapping[str, PoolView], capacity: int, running: int, now: float) -> dict[str, PoolPlan]:
    """Plan for all agents, because they share the capacity.

    What each agent must keep comes first, then the buffers, by name.

    Args:
        pools: by the name of the agent. Agents without warm bots are left out.
        capacity: the most bots of the installation.
        running: its sessions with a bot, and warm bots that are being claimed.
        now: on the monotonic clock.
    """
    asked = {name: _asked(view) for name, view in sorted(pools.items())}
    free = max(0, capacity - running)
    wanted: dict[str, int] = {}
    for name, (least, _) in asked.items():
        wanted[name] = min(least, free)
        free -= wanted[name]
    for name, (least, whole) in asked.items():
        more = min(whole - least, free)
        wanted[name] += more
        free -= more
    room = capacity - running - sum(len(view.bots) for view in pools.values())
    plans = {}
    for name, (_, whole) in asked.items():
        plans[name] = _plan(pools[name], wanted[name], whole, room, now)
        room -= plans[name].create
    return plans


def _asked(view: PoolView) -> tuple[int, int]:
    """Return how many warm bots must wait by `min_agents`, and how many should with the buffer."""
    definition = view.definition
    if definition is None:
        return 0, 0
    buffer = definition.buffer
    if buffer == "auto":
        buffer = automatic_buffer(view.arrivals, view.start_seconds)
    least = max(0, definition.min_agents - view.in_use)
    whole = max(least, buffer)
    if definition.max_agents is not None:
        whole = min(whole, max(0, definition.max_agents - view.in_use))
    return min(least, whole), whole


def _plan(view: PoolView, wanted: int, asked: int, room: int, now: float) -> PoolPlan:
    """Plan for one agent. `room` is how many more bots the installation may have; negative if too many."""
    if view.definition is not None and view.definition.max_agents is not None:
        room = min(room, view.definition.max_agents - view.held)
    fresh = [each for each in view.bots if each.is_fresh]
    needed, excess = _split(fresh, wanted)
    still_missing = max(0, wanted - sum(each.is_ready for each in needed))
    stale = [each for each in view.bots if each.waits and not each.is_fresh]
    kept, replaced = _split(stale, still_missing)
    leaving = sum(not each.waits for each in view.bots) + len(excess) + len(replaced)
    missing = wanted - len(needed)
    # Bots that leave make room once they are gone; one of a former version makes way for its successor.
    too_many = max(0, -room - leaving)
    if missing > 0 and room <= 0 and leaving == 0:
        too_many = max(too_many, 1)
    spared = len(kept) - min(too_many, len(kept))
    given_up = [*excess, *replaced, *kept[spared:]]
    create = max(0, min(missing, room, MOST_AT_ONCE - view.unanswered, MOST_PER_SECOND - view.created))
    failures = view.failures
    if failures.count:
        # One after the other, until one has proved that they can start again.
        is_tried = view.unanswered > 0 or any(each.stage is WarmStage.STARTING for each in needed)
        create = 0 if is_tried or now < failures.retry_at else min(create, 1)
    return PoolPlan(
        wanted=wanted,
        create=create,
        give_up=tuple(each.launch_id for each in given_up),
        problem=_problem(view, wanted, asked),
    )


def _split(bots: Sequence[SeenBot], most: int) -> tuple[list[SeenBot], list[SeenBot]]:
    """Return the bots to keep, at most so many, and the rest.

    Ready ones are kept first, the younger before the older; then those that will be ready soonest.
    """
    ordered = sorted(
        bots,
        key=lambda each: (not each.is_ready, not each.is_current, each.age if each.is_ready else -each.age),
    )
    return ordered[:most], ordered[most:]


def _problem(view: PoolView, wanted: int, asked: int) -> str | None:
    # Those that are to be replaced can't hide that their successors don't start.
    ready = sum(each.is_ready and each.is_fresh for each in view.bots)
    if view.failures.cause is not None and ready < wanted:
        return view.failures.cause
    if wanted < asked:
        return f"The capacity leaves room for {wanted} of {asked} warm bots (PODLINE_CAPACITY)."
    definition = view.definition
    if definition is None or definition.max_agents is None:
        return None
    if view.in_use >= definition.max_agents and has_pool(definition):
        return f"All {definition.max_agents} bots that the agent may have are in use (scaling.max_agents)."
    return None
