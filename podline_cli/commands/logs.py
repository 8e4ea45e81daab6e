"""`podline logs`: what a bot has written."""

from __future__ import annotations

from typing import Annotated

import typer

from podline_cli.answers import SessionAnswer
from podline_cli.connection import connect, session_path
from podline_cli.console import Output, OutputFormat
from podline_cli.log_lines import LogView, event_of
from podline_cli.options import ContextOption, OutputOption, SessionArgument
from podline_cli.text import safe_line


def logs(
    session: SessionArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing what the bot writes, until it is gone.")
    ] = False,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show a bot's log.

    A terminal shows events in words. A pipe gets the lines as the bot wrote them, and with `-o json`
    each line is a JSON object.
    """
    out = Output(output)
    view = LogView()
    with connect(context, out) as client:
        path = session_path(session)
        for line in client.lines(f"{path}/logs", {"follow": follow}, is_endless=follow):
            _show(line, view, out)
        if not out.is_json:
            _say_how_it_failed(client.parse(SessionAnswer, client.get(path)), view, out)


def _show(line: str, view: LogView, out: Output) -> None:
    if out.is_json:
        out.json(event_of(line) or {"text": line}, indent=None)
        return
    shown = [*view.shown(line)]
    if not out.is_pretty:
        out.line(safe_line(line))
        return
    for each in shown:
        out.console.print(each, soft_wrap=True)


def _say_how_it_failed(session: SessionAnswer, view: LogView, out: Output) -> None:
    if session.phase != "failed":
        return
    out.note(f"The bot failed ({session.reason}): {session.message or ''}")
    if view.failure is not None:
        out.note(view.failure, "bold red")
