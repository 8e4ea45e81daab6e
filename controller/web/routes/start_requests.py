"""Start requests from bodies, within the operator's defaults and limits."""

from __future__ import annotations

from controller.core.agent_terms import refuse_above
from controller.core.errors import InvalidRequest
from controller.core.session import NO_BUDGET, Budget
from controller.core.start_request import StartRequest
from controller.web.auth import AgentAccess
from controller.web.models.requests import StartSession
from controller.web.models.values import json_of
from controller.web.services import Services


def start_request_of(body: StartSession, services: Services, access: AgentAccess) -> StartRequest:
    """Check a request against the operator's limits and the agents of its key.

    Raises:
        AgentNotFound: it names no agent that it may know of.
        InvalidRequest: it asks for too long a session, or a budget that is too large or can't be enforced.
    """
    agent = access.chosen(body.agent)
    asked = Budget(tokens=body.budget.tokens, cost=body.budget.cost) if body.budget else NO_BUDGET
    longest = services.settings.limits.max_duration_seconds
    duration = body.max_duration_seconds or longest
    if duration > longest:
        raise InvalidRequest(f"max_duration_seconds: a session may last {longest} seconds at most.")
    return StartRequest(
        user_id=body.user_id,
        agent=agent,
        body=None if body.body is None else json_of(body.body),
        session_id=body.session_id,
        room=(body.room.url, body.room.token) if body.room else None,
        max_duration_seconds=duration,
        budget=_budget_of(asked, services),
        asked_seconds=body.max_duration_seconds,
        asked_budget=asked,
        persona=body.persona,
        metadata=body.metadata,
    )


def _budget_of(asked: Budget, services: Services) -> Budget:
    budgets, prices = services.settings.budgets, services.metrics.prices
    if asked.cost is not None and prices is None:
        raise InvalidRequest(
            "budget.cost: this controller has no prices (PODLINE_PRICES_FILE). Ask for budget.tokens instead."
        )
    most = Budget(tokens=budgets.max_tokens or budgets.tokens, cost=budgets.max_cost or budgets.cost)
    refuse_above(asked, most, "a session")
    # A maximum alone is also the default, so that no request escapes it by asking for nothing.
    return Budget(
        tokens=asked.tokens or budgets.tokens or budgets.max_tokens,
        cost=asked.cost or budgets.cost or budgets.max_cost,
    )
