"""What an operator sees of an agent's pool."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.core.pool_plan import WarmStage
from controller.supervision.warm.bots import HeldBot


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """An agent's warm bots as an operator sees them.

    Attributes:
        wanted: how many should wait now.
        starting: how many are not ready yet.
        ready: how many wait for a session.
        in_use: how many sessions have a bot, warm or not.
        problem: why fewer wait than should; None if nothing is known to be wrong.
    """

    wanted: int = 0
    starting: int = 0
    ready: int = 0
    in_use: int = 0
    problem: str | None = None


def is_given(held: HeldBot, given: tuple[str, str] | None) -> bool:
    """Return whether a bot has this version and what belongs to it, so that a session may get it."""
    return (held.bot.agent_version, held.bot.given) == given


def shown_stages(
    bots: Iterable[HeldBot], given: Mapping[str, tuple[str, str]]
) -> Mapping[str, Counter[WarmStage]]:
    """Return how many warm bots each agent has, by stage.

    One that waits and will be replaced counts as leaving, because no session gets it.

    Args:
        bots: of all agents.
        given: the version and what belongs to it that each agent's bots should have.
    """
    shown: defaultdict[str, Counter[WarmStage]] = defaultdict(Counter)
    for each in bots:
        agent = each.bot.agent
        is_replaced = each.stage is WarmStage.READY and not is_given(each, given.get(agent))
        shown[agent][WarmStage.LEAVING if is_replaced else each.stage] += 1
    return shown
