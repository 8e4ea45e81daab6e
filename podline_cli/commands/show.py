"""`podline show`: one session as a picture."""

from __future__ import annotations

from collections.abc import Iterator

from podline_cli.answers import SessionAnswer
from podline_cli.connection import connect, session_path
from podline_cli.console import Output, OutputFormat
from podline_cli.durations import rfc3339, utc_now
from podline_cli.options import ContextOption, OutputOption, SessionArgument
from podline_cli.pictures import picture


def show(
    session: SessionArgument, context: ContextOption = None, output: OutputOption = OutputFormat.TEXT
) -> None:
    """Show a call: how it started, who spoke, what it used and cost, and why it ended."""
    out = Output(output)
    with connect(context, out) as client:
        raw = client.get(session_path(session))
        found = client.parse(SessionAnswer, raw)
    if out.is_json:
        out.json(raw)
    elif out.is_pretty:
        out.show(picture(found, utc_now(), out.console.width))
    else:
        for fact in facts(found):
            out.fact(*fact)


def facts(session: SessionAnswer) -> Iterator[tuple[str, str]]:
    """Yield what the picture shows as names and values."""
    for name in ("id", "agent", "agent_version", "user_id", "phase", "reason", "message", "persona"):
        if value := getattr(session, name):
            yield name, value
    yield "room", session.room.provider
    accepted = session.timeline.accepted
    for name, moment in session.timeline.reached().items():
        yield name, f"{rfc3339(moment)} +{(moment - accepted).total_seconds():.3f}"
    usage = session.usage
    yield "turns", str(usage.turns)
    yield "interruptions", str(usage.interruptions)
    yield "turns_unanswered", str(session.turns_unanswered)
    yield "talk_seconds.caller", f"{usage.talk_seconds.caller:.1f}"
    yield "talk_seconds.bot", f"{usage.talk_seconds.bot:.1f}"
    for name, calls in sorted(usage.tool_calls.items()):
        yield f"tool.{name}", f"{calls.ok} ok, {calls.error} failed"
    for name, used in sorted(usage.models.items()):
        yield f"model.{name}", f"{used.prompt_tokens} prompt, {used.completion_tokens} completion tokens"
    if session.cost is not None:
        yield "cost", session.cost.sum
    yield "partial", "yes" if usage.partial else "no"
    if session.diagnostics is not None:
        yield from (("event", event) for event in session.diagnostics.events)
        yield from (("log", line) for line in session.diagnostics.log)
