"""The budget of a session: tokens and money."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from controller.settings.variables import Group, variable

BudgetCost = Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]


class BudgetSettings(Group):
    """Budgets of sessions."""

    tokens: PositiveInt | None = variable(
        "PODLINE_BUDGET_TOKENS",
        "The budget of a session if its request sets none, as at /start. A session that exceeds it ends as "
        "budget_spent. No limit if neither this nor PODLINE_MAX_BUDGET_TOKENS is set.",
        unit="tokens (prompt and completion)",
        example="500000",
        le=2**53,
    )
    cost: BudgetCost | None = variable(
        "PODLINE_BUDGET_COST",
        "The default budget as an amount of money. Needs PODLINE_PRICES_FILE.",
        unit="the price file's currency",
        example="1.50",
    )
    max_tokens: PositiveInt | None = variable(
        "PODLINE_MAX_BUDGET_TOKENS",
        "The largest budget that a request may ask for; PODLINE_BUDGET_TOKENS if not set.",
        unit="tokens (prompt and completion)",
        example="2000000",
        le=2**53,
    )
    max_cost: BudgetCost | None = variable(
        "PODLINE_MAX_BUDGET_COST",
        "The largest budget as an amount of money; PODLINE_BUDGET_COST if not set. Needs "
        "PODLINE_PRICES_FILE.",
        unit="the price file's currency",
        example="5",
    )

    @model_validator(mode="after")
    def _defaults_are_within_maxima(self) -> Self:
        budgets = {"TOKENS": (self.tokens, self.max_tokens), "COST": (self.cost, self.max_cost)}
        for unit, (default, maximum) in budgets.items():
            if default is not None and maximum is not None and default > maximum:
                raise ValueError(
                    f"PODLINE_BUDGET_{unit} is above PODLINE_MAX_BUDGET_{unit}: lower it or raise the maximum"
                )
        return self
