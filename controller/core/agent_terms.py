"""What an agent's definition allows a session: its kind of room, its duration, its budget. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from controller.core.agents import AgentDefinition
from controller.core.errors import InvalidRequest
from controller.core.session import Budget
from controller.core.start_request import StartRequest

Amount = TypeVar("Amount", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetBounds:
    """The operator's bounds on all budgets.

    Attributes:
        most: the largest budget of any session.
        has_prices: False if nothing here has a cost, so that no budget of money can be kept.
    """

    most: Budget
    has_prices: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one session gets."""

    max_duration_seconds: int
    budget: Budget


def terms_of(
    request: StartRequest, definition: AgentDefinition, provider: str, bounds: BudgetBounds
) -> Terms:
    """Return the terms of a session of this agent.

    Args:
        request: within the operator's limits.
        definition: the agent's; it can narrow these limits, and never widen them.
        provider: of the rooms here.
        bounds: the operator's.

    Raises:
        InvalidRequest: the agent supports no room of this provider, or allows less than the request asks for.
    """
    if provider not in definition.rooms:
        supported = " and ".join(definition.rooms)
        raise InvalidRequest(
            f"agent: {definition.name!r} supports rooms of kind {supported}, and this controller has only "
            f"{provider} (PODLINE_ROOMS). Start another agent, or ask a controller with such rooms."
        )
    return Terms(
        max_duration_seconds=_duration(request, definition), budget=_budget(request, definition, bounds)
    )


def _duration(request: StartRequest, definition: AgentDefinition) -> int:
    most = definition.max_session_duration
    if most is None or request.max_duration_seconds <= most:
        return request.max_duration_seconds
    if request.asked_seconds is not None:
        raise InvalidRequest(
            f"max_duration_seconds: a session of agent {definition.name!r} may last {most} seconds at most."
        )
    return most


def _budget(request: StartRequest, definition: AgentDefinition, bounds: BudgetBounds) -> Budget:
    has_cost = definition.budget_cost is not None or definition.max_budget_cost is not None
    if has_cost and not bounds.has_prices:
        raise InvalidRequest(
            f"agent: {definition.name!r} has a budget of money, and this controller has no prices. Set "
            "PODLINE_PRICES_FILE, or remove the agent's budget.cost and budget.max_cost."
        )
    asked, usual = request.asked_budget, request.budget
    most = Budget(
        tokens=definition.max_budget_tokens or definition.budget_tokens,
        cost=definition.max_budget_cost or definition.budget_cost,
    )
    refuse_above(asked, most, f"a session of agent {definition.name!r}")
    return Budget(
        tokens=asked.tokens
        or _least(definition.budget_tokens or usual.tokens or most.tokens, most.tokens, bounds.most.tokens),
        cost=asked.cost
        or _least(definition.budget_cost or usual.cost or most.cost, most.cost, bounds.most.cost),
    )


def refuse_above(asked: Budget, most: Budget, whose: str) -> None:
    """Raise InvalidRequest if this budget is above the most that `whose`, such as "a session", may have."""
    if asked.tokens is not None and most.tokens is not None and asked.tokens > most.tokens:
        raise InvalidRequest(f"budget.tokens: {whose} may use {most.tokens} tokens at most.")
    if asked.cost is not None and most.cost is not None and asked.cost > most.cost:
        raise InvalidRequest(f"budget.cost: {whose} may cost {most.cost:g} at most.")


def _least(*amounts: Amount | None) -> Amount | None:
    return min((each for each in amounts if each is not None), default=None)
