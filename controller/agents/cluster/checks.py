"""What a cluster says about agents before they take calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.core.agents import AgentDefinition, AgentVersion, DryStartOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChecks:
    """What a cluster says about agents.

    Attributes:
        prepare: awaited once, with the connection open, before any agent is known.
        claim: awaited in the background after that; returns once no former controller can change what was read.
        not_ready_reason: returns why `prepare` has not ended yet, as a sentence; None if it has.
        find_problem: returns why the cluster would refuse an agent's Jobs, as a sentence; None if it would
            take them.
        start_dry: starts a bot of a version without a call.
    """

    prepare: Callable[[], Awaitable[None]]
    claim: Callable[[], Awaitable[None]]
    not_ready_reason: Callable[[], str | None]
    find_problem: Callable[[AgentDefinition], Awaitable[str | None]]
    start_dry: Callable[[AgentVersion], Awaitable[DryStartOutcome]]
