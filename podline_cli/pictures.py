"""A call drawn at the terminal: its start-up as bars, who spoke for how long, and what it used."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final

from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from podline_cli.answers import CostAnswer, SessionAnswer
from podline_cli.durations import clock, span
from podline_cli.log_lines import LogView

PHASE_STYLES: Final = {
    "starting": "yellow",
    "live": "green",
    "stopping": "yellow",
    "ended": "cyan",
    "failed": "red",
}
STEPS: Final = {
    "accepted": "the request is accepted",
    "launched": "the bot is launched",
    "scheduled": "its pod gets a node",
    "process_up": "its process runs",
    "joined": "it is in the room",
    "caller_joined": "the caller joins",
    "first_speech": "the bot speaks",
    "ended": "the bot is gone",
}
"""What happens when each step is reached."""

_WIDEST_BAR: Final = 48
_BESIDE_A_BAR: Final = 62
_WORDS: Final = 23
_LEAST_FOR_WORDS: Final = 80
_COLOURS_OF_STEPS: Final = ("blue", "cyan", "magenta")


def picture(session: SessionAnswer, now: datetime, width: int) -> Group:
    """Draw a session. Where there is no room for words beside the bars, they are left out."""
    has_words = width >= _LEAST_FOR_WORDS
    beside = _BESIDE_A_BAR if has_words else _BESIDE_A_BAR - _WORDS
    bar = max(min(_WIDEST_BAR, width - beside), 10)
    return Group(*_parts(session, now, bar, has_words=has_words))


def _parts(session: SessionAnswer, now: datetime, bar: int, *, has_words: bool) -> Iterator[RenderableType]:
    yield _head(session, now)
    yield _timeline(session, now, bar, STEPS if has_words else {})
    if talk := _talk(session, now, bar):
        yield talk
    yield _counts(session)
    if session.usage.tool_calls:
        yield _tools(session)
    if session.usage.models:
        yield _models(session)
    if session.phase == "failed":
        yield Text.assemble("\nThe whole log: ", (f"podline logs {shlex.quote(session.id)}", "bold"))
    if session.diagnostics is not None:
        yield from _diagnostics(session.diagnostics.events, session.diagnostics.log)


def _head(session: SessionAnswer, now: datetime) -> Panel:
    style = PHASE_STYLES.get(session.phase, "")
    first = Text.assemble(("● ", style), (session.phase, f"bold {style}"))
    if session.reason:
        first.append(f" · {session.reason}", style)
    first.append(f"   {span(session.lasted(now))}, since {clock(session.timeline.accepted, now)}", "dim")
    lines = [first]
    if session.message:
        lines.append(Text(session.message))
    facts = {
        "agent": f"{session.agent} {session.agent_version or ''}".strip(),
        "user": session.user_id,
        "room": session.room.provider,
        "persona": session.persona or "",
    }
    said = [Text.assemble((f"{name} ", "dim"), value) for name, value in facts.items() if value]
    lines.append(Text("   ").join(said))
    return Panel(
        Text("\n").join(lines), title=Text(session.id, "bold"), title_align="left", border_style=style
    )


def _timeline(session: SessionAnswer, now: datetime, width: int, words: Mapping[str, str]) -> Table:
    """Draw one bar for each step, from the one before to this one, on the scale of the start-up."""
    reached = session.timeline.reached()
    accepted = session.timeline.accepted
    at = {name: (moment - accepted).total_seconds() for name, moment in reached.items()}
    scale = _scale(session, at, session.lasted(now))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    table.add_column(style="dim")
    table.add_row("accepted", "", "", f"at {span(0)}", words.get("accepted", ""))
    for number, (before, name) in enumerate(pairwise(reached)):
        begin, end = at[before], at[name]
        colour = _COLOURS_OF_STEPS[number % len(_COLOURS_OF_STEPS)]
        if name == "ended":
            colour = "red" if session.phase == "failed" else "green"
        bar = Bar(
            scale,
            min(begin, scale),
            min(max(end, begin + scale / width / 4), scale),
            width=width,
            color=colour,
        )
        table.add_row(name, bar, span(end - begin), f"at {span(end)}", words.get(name, ""))
    if not session.has_ended:
        table.add_row(Text("…", "dim"), "", "", f"at {span(session.lasted(now))}", session.phase)
    return table


def _scale(session: SessionAnswer, at: Mapping[str, float], lasted: float) -> float:
    """Return how many seconds a bar's width stands for."""
    start_up = max(seconds for name, seconds in at.items() if name != "ended")
    if session.phase in ("starting", "failed") and "first_speech" not in at:
        # What it waited for in vain is what there is to see.
        return max(lasted, 0.001)
    # The rest of the call would leave nothing to see of its beginning.
    return max(start_up * 1.25, 0.001)


def _talk(session: SessionAnswer, now: datetime, width: int) -> Table | None:
    """Draw how the call was divided between caller, bot and silence."""
    began = session.timeline.caller_joined
    if began is None:
        return None
    call = max(((session.timeline.ended or now) - began).total_seconds(), 0.001)
    spoken = session.usage.talk_seconds
    shares = {"caller": (spoken.caller, "cyan"), "bot": (spoken.bot, "magenta")}
    shares["silence"] = (max(call - spoken.caller - spoken.bot, 0), "bright_black")
    whole = max(sum(seconds for seconds, _ in shares.values()), 0.001)
    bar, legend = Text(), []
    for name, (seconds, colour) in shares.items():
        bar.append("█" * round(seconds / whole * width), colour)
        legend.append(Text.assemble(("■ ", colour), f"{name} {span(seconds)}"))
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("\nspoken       ", "bold"), Text("\n").append_text(bar))
    table.add_row("", Text("  ").join(legend))
    return table


def _counts(session: SessionAnswer) -> Text:
    usage = session.usage
    counts = [
        _count(usage.turns, "turn"),
        _count(usage.interruptions, "interruption"),
        f"{session.turns_unanswered} unanswered",
    ]
    text = Text("\n").append(" · ".join(counts), "bold")
    if session.cost is not None:
        text.append(f" · {session.cost.sum}", "bold green")
    if usage.partial:
        text.append("  (partial: the bot left no final report)", "yellow")
    return text


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _tools(session: SessionAnswer) -> Table:
    table = _table("TOOL", "OK", "FAILED")
    for name, calls in sorted(session.usage.tool_calls.items()):
        table.add_row(Text(name), str(calls.ok), Text(str(calls.error), "red" if calls.error else ""))
    return table


def _models(session: SessionAnswer) -> Table:
    """Draw what each model was used for; a column that would be empty is left out."""
    models = sorted(session.usage.models.items())
    columns = {
        "PROMPT": [_number(used.prompt_tokens) for _, used in models],
        "COMPLETION": [_number(used.completion_tokens) for _, used in models],
        "AUDIO IN": [_number(used.input_audio_tokens) for _, used in models],
        "AUDIO OUT": [_number(used.output_audio_tokens) for _, used in models],
        "CACHED": [_number(used.cache_read_input_tokens) for _, used in models],
        "SECONDS": [_number(used.audio_seconds) for _, used in models],
        "CHARACTERS": [_number(used.characters) for _, used in models],
        "COST": [_price(session.cost, name) for name, _ in models],
    }
    filled = {title: cells for title, cells in columns.items() if any(cells)}
    table = _table("MODEL", *filled)
    for number, (name, _) in enumerate(models):
        table.add_row(Text(name), *(cells[number] for cells in filled.values()))
    return table


def _number(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if number else ""


def _price(cost: CostAnswer | None, model: str) -> str:
    if cost is None:
        return ""
    amount = cost.models.get(model)
    return "no price" if model in cost.unpriced_models or amount is None else f"{amount:.4f}"


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _diagnostics(events: list[str], log: list[str]) -> Iterator[RenderableType]:
    if events:
        yield Text("\nEvents", "bold")
        yield from (Text(f"  {event}", "yellow") for event in events)
    if log:
        yield Text("\nThe end of the log", "bold")
        view = LogView()
        for line in log:
            yield from view.shown(line)
