"""Budgets: whether a session has spent its budget, and the stop that follows."""

from __future__ import annotations

from dataclasses import replace

from controller.core.endings import ending_for
from controller.core.session import Ending, Session
from controller.observe.prices import PriceList
from controller.supervision.channel.report_ledger import furthest
from controller.supervision.record import Record
from controller.supervision.stopping import SessionStopper
from podline.contract.reasons import Reason
from podline.contract.usage import Usage


class BudgetKeeper:
    """Stops sessions that have spent their budget."""

    def __init__(self, prices: PriceList | None, stopper: SessionStopper) -> None:
        self._prices = prices
        self._stopper = stopper

    def check(self, record: Record) -> None:
        """Stop a session that has spent its budget, by its bot's totals or events, whichever are more."""
        if record.intent is not None:
            return
        session = record.session
        usage = furthest(session.usage, record.ledger.used)
        if intent := spent(session, usage, self._prices):
            self._stopper.stop_later(record, intent)


def spent(session: Session, usage: Usage, prices: PriceList | None) -> Ending | None:
    """Return why this session must end, given its usage so far; None if it may continue."""
    budget = session.budget
    tokens = sum(each.tokens for each in usage.models.values())
    if budget.tokens is not None and tokens >= budget.tokens:
        return _ending(f"{tokens:,} tokens", f"{budget.tokens:,}")
    if budget.cost is not None and prices is not None:
        charge = prices.charge(session.agent, usage, session.timeline.accepted.date())
        if charge >= budget.cost:
            return _ending(f"{charge:,.4f} {prices.currency}", f"{budget.cost:,.4f}")
    return None


def _ending(used: str, limit: str) -> Ending:
    what_happened = f"The session used {used}; its budget was {limit}."
    return replace(ending_for(Reason.BUDGET_SPENT), what_happened=what_happened)
