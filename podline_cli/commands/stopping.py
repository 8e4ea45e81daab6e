"""`podline stop` and `podline drain`: calls that end, and calls that don't begin."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from podline_cli.answers import DrainAnswer, SessionAnswer
from podline_cli.client import Client
from podline_cli.completion import complete_sessions
from podline_cli.connection import connect, session_path
from podline_cli.console import Output, OutputFormat
from podline_cli.durations import pauses
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import ContextOption, OutputOption

_DRAIN: Final = "/v1/drain"


def stop(
    session: Annotated[
        list[str],
        typer.Argument(metavar="SESSION", help="Ids of sessions.", autocompletion=complete_sessions),
    ],
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Ask bots to end their calls. A session is `stopping` until its bot is gone."""
    out = Output(output)
    stopped: list[tuple[Any, SessionAnswer]] = []
    refused: list[CommandError] = []
    with connect(context, out) as client:
        for session_id in dict.fromkeys(session):
            try:
                raw = client.delete(session_path(session_id))
                stopped.append((raw, client.parse(SessionAnswer, raw)))
            except CommandError as error:
                refused.append(error)
                if error.code != ExitCode.NOT_FOUND:
                    break
    if out.is_json:
        out.json({"sessions": [raw for raw, _ in stopped]})
    elif stopped:
        out.table(("SESSION", "PHASE", "REASON"), ((s.id, s.phase, s.reason or "") for _, s in stopped))
    if refused:
        *earlier, last = refused
        raise CommandError(str(last), details="\n".join(map(str, earlier)), code=last.code)


def drain(
    *,
    off: Annotated[bool, typer.Option("--off", help="Accept calls again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the last call has ended.")] = False,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Accept no more calls, so that the controller can be maintained. Calls that run go on."""
    if off and wait:
        raise CommandError("--off has nothing to wait for: leave out --wait.", code=ExitCode.USAGE)
    out = Output(output)
    with connect(context, out) as client:
        answer = client.parse(DrainAnswer, client.put(_DRAIN, {"draining": not off}))
        if wait:
            answer = _until_empty(client, answer, out)
    if out.is_json:
        out.json(answer.model_dump())
    else:
        state = "accepts no calls" if answer.draining else "accepts calls"
        running = {0: "none runs", 1: "one runs"}.get(answer.sessions, f"{answer.sessions} run")
        out.line(f"The controller {state}; {running}.")


def _until_empty(client: Client, answer: DrainAnswer, out: Output) -> DrainAnswer:
    with out.step("Waiting for calls to end") as under_way:
        for pause in pauses():
            if answer.sessions == 0:
                break
            if not answer.draining:
                raise CommandError(
                    "Somebody has turned draining off: run `podline drain --wait` again to go on."
                )
            under_way.detail(f"{answer.sessions} left")
            time.sleep(pause)
            answer = client.parse(DrainAnswer, client.get(_DRAIN))
    return answer
