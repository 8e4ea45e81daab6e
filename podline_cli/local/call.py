"""`podline call`: a spoken call from the terminal, by a caller with a synthetic voice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from podline_cli.answers import ApiAnswer, SessionAnswer
from podline_cli.client import Client
from podline_cli.connection import connect, session_path
from podline_cli.console import Output, OutputFormat
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import AgentArgument, ContextOption, OutputOption
from podline_cli.target import KEY_VARIABLE, ChosenController
from podline_cli.text import SafeLine, SafeText

_PACKAGES: Final = ("aiortc", "espeakng_loader", "soxr")
_HANG_UP_SECONDS: Final = 10.0
_USER: Final = "podline-call"
_SCRIPT: Final = ("Hello. What can you do for me?",)


class SpokenAnswer(ApiAnswer):
    """Something said or heard."""

    at: float
    line: SafeLine


class CallAnswer(ApiAnswer):
    """How the caller says that the call went."""

    session_id: SafeText
    account: list[SpokenAnswer]
    failure: SafeText | None = None
    remark: SafeText = ""
    session: SessionAnswer | None = None


def call(
    agent: AgentArgument,
    say: Annotated[
        list[str] | None,
        typer.Option(
            "--say",
            metavar="TEXT",
            help="What to say; repeat the option for more sentences.",
        ),
    ] = None,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="The user who calls.")] = _USER,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Call an agent with a synthetic voice.

    It prints who said what, and when. The exit code is 1 if the call failed.
    """
    if any(find_spec(each) is None for each in _PACKAGES):
        raise CommandError(
            "A spoken call needs packages that are not installed: in Podline's checkout, run "
            "`uv tool install '.[local]'` and try again."
        )
    out = Output(output)
    with connect(context, out) as client:
        started = client.post("/v1/sessions", {"agent": agent, "user_id": user})
        session = client.parse(SessionAnswer, started)
        if session.room.provider == "daily":
            _stop(client, session.id)
            raise CommandError(
                "This caller can't join the controller's rooms at Daily: call from its page, or set "
                "PODLINE_ROOMS=webrtc."
            )
        try:
            raw, answer = _speak(client.target, _reached_by(client.target, started), say or _SCRIPT)
        except BaseException:
            _stop(client, session.id)
            raise
        if answer.failure is not None:
            _stop(client, session.id)
    if out.is_json:
        out.json(raw)
    else:
        _show(answer, out)
    if answer.failure is not None or (answer.session is not None and answer.session.phase == "failed"):
        raise typer.Exit(ExitCode.FAILED)


def _reached_by(target: ChosenController, session: dict[str, Any]) -> dict[str, Any]:
    """Return a session whose offers go where the session was started.

    The controller gives the address for browsers, PODLINE_PUBLIC_URL, which may not lead here.
    """
    room = session["room"]
    if room["provider"] != "webrtc":
        return session
    path = urlsplit(room["url"]).path
    return {**session, "room": {**room, "url": f"{target.url.rstrip('/')}{path}"}}


def _speak(
    target: ChosenController, session: dict[str, Any], sentences: Sequence[str]
) -> tuple[Any, CallAnswer]:
    """Have the caller make the call; return its account as it came and as it is shown."""
    words = [word for sentence in sentences for word in ("--say", sentence)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "sandbox.caller", target.url, "--session", "--json", *words],
        env={**os.environ, KEY_VARIABLE: target.key or ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches it through us, so that it hangs up properly.
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(json.dumps(session))
    except BaseException:
        _hang_up(process)
        raise
    try:
        raw = json.loads(written)
        return raw, CallAnswer.model_validate(raw)
    except (ValueError, ValidationError):
        raise CommandError(
            "The call was not made, for the reason above.", code=process.returncode or ExitCode.FAILED
        ) from None


def _hang_up(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_HANG_UP_SECONDS)
    process.kill()
    process.wait()


def _stop(client: Client, session_id: str) -> None:
    """End a session that has no caller, if we may."""
    with suppress(CommandError):
        client.delete(session_path(session_id))


def _show(answer: CallAnswer, out: Output) -> None:
    out.line(f"session {answer.session_id}")
    for each in answer.account:
        out.line(f"{each.at:7.2f} s  {each.line}")
    session = answer.session
    if session is not None and session.reason is not None:
        ending = f"{session.phase}: {session.reason}. {session.message or ''}".strip()
        out.note(ending, "red" if session.phase == "failed" else "")
    if answer.failure is not None and (session is None or session.phase != "failed"):
        remark = f" {answer.remark}" if session is None else ""
        out.note(f"The call failed: {answer.failure}.{remark}", "red")
