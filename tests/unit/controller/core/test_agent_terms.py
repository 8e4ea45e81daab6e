"""What an agent's definition allows a session, whatever it and the operator say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.agent_terms import BudgetBounds, terms_of
from controller.core.agents import AgentDefinition
from controller.core.errors import InvalidRequest
from controller.core.session import Budget
from controller.core.start_request import StartRequest

TOKENS = st.none() | st.integers(1, 1000)
SECONDS = st.integers(60, 14_400)


@given(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_no_budget_is_above_any_maximum_and_what_may_be_asked_for_is_given(
    usual: int | None, most: int | None, own: int | None, own_most: int | None, asked: int | None
) -> None:
    if most is not None and usual is not None:
        usual = min(usual, most)
    limit = most or usual
    if limit is not None and asked is not None:
        asked = min(asked, limit)
    request = StartRequest(
        user_id="ana",
        max_duration_seconds=60,
        budget=Budget(tokens=asked or usual or most),
        asked_budget=Budget(tokens=asked),
    )
    definition = AgentDefinition(name="a", budget_tokens=own, max_budget_tokens=own_most)
    bounds = BudgetBounds(most=Budget(tokens=limit), has_prices=False)
    maxima = [each for each in (limit, own_most or own) if each is not None]
    try:
        budget = terms_of(request, definition, "daily", bounds).budget
    except InvalidRequest:
        assert asked is not None
        assert asked > (own_most or own or 0)
        return
    if asked is not None:
        assert budget.tokens == asked
    assert (budget.tokens is None) is (not maxima and asked is None)
    assert all(budget.tokens is not None and budget.tokens <= each for each in maxima)


@given(SECONDS, st.none() | SECONDS, st.booleans())
def test_no_session_lasts_longer_than_its_agent_allows(longest: int, own: int | None, is_asked: bool) -> None:  # noqa: FBT001
    request = StartRequest(
        user_id="ana", max_duration_seconds=longest, asked_seconds=longest if is_asked else None
    )
    bounds = BudgetBounds(most=Budget(), has_prices=False)
    definition = AgentDefinition(name="a", max_session_duration=own)
    try:
        seconds = terms_of(request, definition, "daily", bounds).max_duration_seconds
    except InvalidRequest:
        assert is_asked
        assert own is not None
        assert longest > own
        return
    assert seconds == min(longest, own or longest)


def test_a_budget_of_money_needs_prices() -> None:
    request = StartRequest(user_id="ana", max_duration_seconds=60)
    definition = AgentDefinition(name="a", budget_cost=1.5)
    with pytest.raises(InvalidRequest, match="PODLINE_PRICES_FILE"):
        terms_of(request, definition, "daily", BudgetBounds(most=Budget(), has_prices=False))
    terms = terms_of(request, definition, "daily", BudgetBounds(most=Budget(cost=1.0), has_prices=True))
    assert terms.budget.cost == 1.0
