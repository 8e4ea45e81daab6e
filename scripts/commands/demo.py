"""A spoken call on this machine: `podline dev` with the shopping assistant, from a checkout."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from podline_cli.errors import CommandError
from podline_cli.local.machine import Plan, run
from podline_cli.local.plans import DEFAULT_PORT, empty_directory, missing_keys, shipped_file, welcome
from podline_cli.local.ports import check_port
from podline_cli.local.prometheus import plan_prometheus
from podline_cli.local.variable_files import read_variables
from podline_cli.steps import step
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT
from scripts.commands.running.needs import UNPACKED_PROMETHEUS, ensure_prometheus

RULES: Final = ROOT / "deploy" / "monitoring" / "podline.rules.yaml"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    *,
    no_sandbox: Annotated[
        bool,
        typer.Option("--no-sandbox", help="Use Google's model and your own store, with the keys in .env."),
    ] = False,
    observe: Annotated[
        bool, typer.Option("--observe", help="Start a Prometheus with Podline's rules as well.")
    ] = False,
) -> None:
    """Start a spoken call on this machine, say where to click, and end everything on Ctrl-C."""
    settings = {**read_variables(ROOT / ".env"), **os.environ}
    port = settings.get("PODLINE_PORT") or DEFAULT_PORT
    with tempfile.TemporaryDirectory(prefix="podline-demo-", ignore_cleanup_errors=True) as directory:
        scratch = Path(directory)
        if observe:
            with step("Finding or downloading Prometheus"):
                asyncio.run(ensure_prometheus(scratch / "prometheus.log"))
        check_port("PODLINE_PORT", port, "PODLINE_PORT=7861 scripts/demo")
        prometheus = None
        if observe:
            prometheus = plan_prometheus(settings, port, scratch, (RULES,), (UNPACKED_PROMETHEUS,))
        # Agents of one's own have keys of their own.
        missing = missing_keys(settings) if no_sandbox and not settings.get("PODLINE_AGENTS") else ""
        if missing:
            raise CommandError(
                f"Without the sandbox, {missing} must be set in .env or the environment: see .env.example."
            )
        # Made up as the sandbox's model is: what another model costs, only its operator can say.
        is_priced = no_sandbox or settings.get("PODLINE_PRICES_FILE")
        plan = Plan(
            port=port,
            with_sandbox=not no_sandbox,
            bot=None,
            prometheus=prometheus,
            prices=None if is_priced else shipped_file("prices.example.toml"),
            directory=ROOT,
            logs=empty_directory(ROOT / ".podline" / f"demo-{port}"),
            scratch=scratch,
        )
        asyncio.run(run(plan, welcome(plan)))


if __name__ == "__main__":
    run_command(app)
