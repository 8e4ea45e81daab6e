"""`podline doctor`: what is wrong between this machine, its controller and its cluster, with remedies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from podline_cli.client import Client, Patience
from podline_cli.connection import connect
from podline_cli.console import Output, OutputFormat
from podline_cli.errors import ExitCode
from podline_cli.local.bots import find_bot
from podline_cli.local.check_cluster import check_cluster
from podline_cli.local.check_controller import check_controller, check_remote_rooms
from podline_cli.local.check_machine import check_bot, check_dev, check_model, check_rooms
from podline_cli.local.findings import CheckStatus, Finding
from podline_cli.local.plans import DEFAULT_PORT
from podline_cli.local.variable_files import read_variables
from podline_cli.options import ContextOption, OutputOption
from podline_cli.text import safe_line
from podline_cli.urls import is_loopback

_PATIENCE: Final = Patience(connect=5, read=10, whole=15)
_STYLES: Final = {
    CheckStatus.OK: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.FAILED: "bold red",
    CheckStatus.SKIPPED: "dim",
}
_WIDTH: Final = 10
_INDENT: Final = 2 * _WIDTH


def doctor(context: ContextOption = None, output: OutputOption = OutputFormat.TEXT) -> None:
    """Find out what is wrong, and what to do.

    It checks the controller, its key, agents and rooms, this machine, and the cluster. The exit code is 1
    if a check failed.
    """
    out = Output(output)
    findings: list[Finding] = []
    with connect(context, out, _PATIENCE) as client:
        for finding in examine(client, Path.cwd()):
            findings.append(finding)
            if not out.is_json:
                _show(finding, out)
    has_failed = any(each.status is CheckStatus.FAILED for each in findings)
    if out.is_json:
        out.json({"ok": not has_failed, "checks": [each.as_json() for each in findings]})
    if has_failed:
        raise typer.Exit(ExitCode.FAILED)


def examine(client: Client, here: Path) -> Iterator[Finding]:
    """Yield all findings, as seen from a directory."""
    # A controller that is started here reads them so: the environment before `.env`.
    settings = {**read_variables(here / ".env"), **os.environ}
    found = list(check_controller(client))
    yield from found
    answers = found[0].status is CheckStatus.OK
    is_here = is_loopback(client.target.url)
    yield check_model(settings)
    if is_here:
        yield from check_rooms(settings)
    elif answers:
        yield check_remote_rooms(client)
    yield check_bot(find_bot(None, here))
    yield from check_dev(None if answers and is_here else settings.get("PODLINE_PORT") or DEFAULT_PORT)
    yield from check_cluster(settings, Path.home())


def _show(finding: Finding, out: Output) -> None:
    message = safe_line(finding.message)
    if not out.is_pretty:
        out.line("\t".join((finding.status, finding.check, message, safe_line(finding.remedy or ""))))
        return
    out.show(
        Text.assemble(
            (f"{finding.status:{_WIDTH}}", _STYLES[finding.status]), f"{finding.check:{_WIDTH}}", message
        )
    )
    if finding.remedy is not None:
        out.show(Text(f"{'':{_INDENT}}{safe_line(finding.remedy)}"))
