"""`podline ps`: the sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from podline.contract.reasons import Phase
from podline_cli.answers import SessionAnswer
from podline_cli.client import Client
from podline_cli.completion import complete_agents
from podline_cli.connection import connect, sessions
from podline_cli.console import Output, OutputFormat
from podline_cli.durations import utc_now
from podline_cli.options import ContextOption, OutputOption

_RUNNING: Final = (Phase.STARTING, Phase.LIVE, Phase.STOPPING)
_COLUMNS: Final = ("SESSION", "AGENT", "USER", "PHASE", "STARTED", ">LASTED", ">TURNS", ">COST", "REASON")

Found = tuple[dict[str, Any], SessionAnswer]


def ps(
    *,
    is_all: Annotated[bool, typer.Option("--all", "-a", help="Also list sessions that have ended.")] = False,
    user: Annotated[str | None, typer.Option("--user", help="Only this user's.")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", help="Only this agent's.", autocompletion=complete_agents)
    ] = None,
    phase: Annotated[Phase | None, typer.Option("--phase", help="Only sessions in this phase.")] = None,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the sessions that run; with --all, also those that ended and are still kept."""
    out = Output(output)
    filters = {name: value for name, value in (("user_id", user), ("agent", agent)) if value is not None}
    phases = [phase] if phase is not None else [] if is_all else [*_RUNNING]
    with connect(context, out) as client:
        found = _newest_first(client, filters, phases)
    if out.is_json:
        out.json({"sessions": [raw for raw, _ in found]})
        return
    out.table(_COLUMNS, (_row(session, utc_now(), out) for _, session in found))
    if not found:
        out.note("No sessions." if is_all or phase else "No calls run; --all also lists those that ended.")


def _newest_first(client: Client, filters: dict[str, str], phases: list[Phase]) -> list[Found]:
    """Return each session once: between two requests, one may enter its next phase."""
    by_id: dict[str, Found] = {}
    for query in _queries(filters, phases):
        for raw, session in sessions(client, query):
            by_id[session.id] = (raw, session)
    return sorted(by_id.values(), key=lambda each: each[1].timeline.accepted, reverse=True)


def _queries(filters: dict[str, str], phases: list[Phase]) -> Iterator[dict[str, str]]:
    if not phases:
        yield filters
    for phase in phases:
        yield {**filters, "phase": phase.value}


def _row(session: SessionAnswer, now: datetime, out: Output) -> tuple[str, ...]:
    return (
        session.id,
        session.agent,
        session.user_id,
        session.phase,
        out.moment(session.timeline.accepted),
        out.span(session.lasted(now)),
        str(session.usage.turns),
        "" if session.cost is None else session.cost.sum,
        session.reason or "",
    )
