"""`podline usage`: what calls have used and cost, summed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Annotated, Final

import typer

from podline_cli.answers import SessionAnswer
from podline_cli.connection import connect, sessions
from podline_cli.console import Output, OutputFormat
from podline_cli.durations import clock, moment_of, rfc3339, utc_now
from podline_cli.options import ContextOption, OutputOption

_COLUMNS: Final = (">SESSIONS", ">FAILED", ">TIME", ">TURNS", ">PROMPT", ">COMPLETION", ">COST", "PARTIAL")


class Grouping(StrEnum):
    """What a sum is made for."""

    AGENT = "agent"
    USER = "user"
    MODEL = "model"


@dataclass
class UsageSum:
    """The usage of some sessions.

    Attributes:
        seconds: how long they ran, from the request to the end.
        cost: an amount for each currency.
        partial: it may be more, because a call runs, a bot left no final report, or a model has no price.
    """

    sessions: int = 0
    failed: int = 0
    seconds: float = 0.0
    turns: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: dict[str, float] = field(default_factory=dict)
    partial: bool = False

    def add(self, session: SessionAnswer, model: str | None, now: datetime) -> None:
        """Add a session, or what it used of one model."""
        self.sessions += 1
        self.failed += session.phase == "failed"
        self.seconds += session.lasted(now)
        self.turns += session.usage.turns
        for name, used in session.usage.models.items():
            if model in (None, name):
                self.prompt_tokens += used.prompt_tokens
                self.completion_tokens += used.completion_tokens
        self.partial |= session.usage.partial or not session.has_ended
        if session.cost is not None:
            amount = session.cost.amount if model is None else session.cost.models.get(model, 0.0)
            self.cost[session.cost.currency] = self.cost.get(session.cost.currency, 0.0) + amount
            unpriced = session.cost.unpriced_models
            self.partial |= bool(unpriced) if model is None else model in unpriced


def usage(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only sessions since then: 90m, 24h, 7d, or a date."),
    ] = None,
    by: Annotated[Grouping | None, typer.Option("--by", help="One line for each.")] = None,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Sum the usage and cost of the sessions that the controller still keeps."""
    out = Output(output)
    now = utc_now()
    begin = None if since is None else moment_of(since, now)
    with connect(context, out) as client:
        newest_first = (session for _, session in sessions(client, {}))
        found = [*takewhile(lambda each: begin is None or each.timeline.accepted >= begin, newest_first)]
    total, groups = _summed(found, by, now)
    oldest = min((each.timeline.accepted for each in found), default=None)
    if out.is_json:
        shown = {name: asdict(each) for name, each in groups.items()}
        first = None if oldest is None else rfc3339(oldest)
        out.json({"since": first, "total": asdict(total), **({} if by is None else {f"by_{by}": shown})})
        return
    title = "" if by is None else by.upper()
    rows = [(name, *_cells(each, out)) for name, each in groups.items()]
    out.table((title, *_COLUMNS), [*rows, ("total", *_cells(total, out))])
    if oldest is not None:
        out.note(f"The oldest of these sessions is from {clock(oldest, now)}: earlier ones are not kept.")
    if total.partial:
        out.note(
            "Partial: calls still run, bots left no final report, or models have no price. The sums may grow."
        )


def _summed(
    found: list[SessionAnswer], by: Grouping | None, now: datetime
) -> tuple[UsageSum, dict[str, UsageSum]]:
    """Return the sum of all, and one for each group, the most expensive or most used first."""
    total, groups = UsageSum(), dict[str, UsageSum]()
    for session in found:
        total.add(session, None, now)
        for name, model in _groups_of(session, by):
            groups.setdefault(name, UsageSum()).add(session, model, now)
    order = sorted(
        groups, key=lambda name: (-sum(groups[name].cost.values()), -groups[name].prompt_tokens, name)
    )
    return total, {name: groups[name] for name in order}


def _groups_of(session: SessionAnswer, by: Grouping | None) -> Iterator[tuple[str, str | None]]:
    match by:
        case Grouping.AGENT:
            yield session.agent, None
        case Grouping.USER:
            yield session.user_id, None
        case Grouping.MODEL:
            yield from ((model, model) for model in session.usage.models)


def _cells(each: UsageSum, out: Output) -> tuple[str, ...]:
    return (
        str(each.sessions),
        str(each.failed),
        out.span(each.seconds),
        str(each.turns),
        str(each.prompt_tokens),
        str(each.completion_tokens),
        " + ".join(f"{amount:.4f} {currency}" for currency, amount in sorted(each.cost.items())),
        "yes" if each.partial else "",
    )
