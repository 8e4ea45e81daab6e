"""`podline dev`: controller, page and one bot on this machine, ended together by Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from podline_cli.errors import CommandError
from podline_cli.local.bots import LocalBot, find_bot
from podline_cli.local.machine import Plan, run
from podline_cli.local.plans import (
    DEFAULT_PORT,
    check_packages,
    logs_directory,
    missing_keys,
    shipped_file,
    welcome,
)
from podline_cli.local.ports import check_port
from podline_cli.local.prometheus import plan_prometheus
from podline_cli.local.variable_files import read_variables

_RULES: Final = "monitoring/podline.rules.yaml"
_PRICES: Final = "prices.example.toml"
_OVERRIDES: Final = re.compile(r"load_dotenv\([^)]*override\s*=\s*True")
_OF_STAND_INS: Final = ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL")


def dev(
    bot: Annotated[
        Path | None,
        typer.Argument(
            metavar="BOT",
            help="The bot's file or directory; by default bot.py here, or else the shopping assistant.",
        ),
    ] = None,
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use stand-ins for the model and the store, without any key.")
    ] = False,
    port: Annotated[
        str | None,
        typer.Option(
            "--port", metavar="PORT", help=f"The page's port; by default PODLINE_PORT or {DEFAULT_PORT}."
        ),
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="Start a Prometheus with Podline's rules as well.")
    ] = False,
) -> None:
    """Run a bot on this machine, with a page to call it.

    Each call loads the bot afresh, so the next call has what you have edited. Ctrl-C ends everything.
    """
    check_packages()
    here = Path.cwd()
    settings = {**read_variables(here / ".env"), **os.environ}
    found = find_bot(bot, here)
    port = port or settings.get("PODLINE_PORT") or DEFAULT_PORT
    check_port("--port", port, "podline dev --port 7861")
    needs_keys = found is None and not sandbox and not settings.get("PODLINE_AGENTS")
    if needs_keys and (missing := missing_keys(settings)):
        raise CommandError(
            f"There is no bot.py here, and the shopping assistant needs {missing}: write a bot with `podline "
            "init`, name one, set what is missing in .env, or use --sandbox."
        )
    prices = shipped_file(_PRICES) if sandbox and not settings.get("PODLINE_PRICES_FILE") else None
    rules = shipped_file(_RULES)
    with tempfile.TemporaryDirectory(prefix="podline-dev-", ignore_cleanup_errors=True) as scratch:
        prometheus = None
        if observe:
            prometheus = plan_prometheus(settings, port, Path(scratch), () if rules is None else (rules,))
        plan = Plan(
            port=port,
            with_sandbox=sandbox,
            bot=found,
            prometheus=prometheus,
            prices=prices,
            directory=here,
            logs=logs_directory(port, os.environ),
            scratch=Path(scratch),
        )
        asyncio.run(run(plan, welcome(plan, hint_for(found, with_sandbox=sandbox))))


def hint_for(bot: LocalBot | None, *, with_sandbox: bool) -> str:
    """Return what may keep the bot from its services; empty if nothing is known."""
    if bot is None:
        return ""
    own = bot.directory / ".env"
    if with_sandbox:
        replaced = [name for name in _OF_STAND_INS if own.is_file() and read_variables(own).get(name)]
        if replaced and _OVERRIDES.search(bot.file.read_text(encoding="utf-8", errors="replace")):
            return (
                f"Its .env replaces {' and '.join(replaced)} of the stand-ins, which then refuse it: "
                "remove override=True from load_dotenv(), or these lines from .env."
            )
        return ""
    if not own.is_file() and (bot.directory / ".env.example").is_file():
        return "There is no .env yet: copy .env.example and fill it in, or use --sandbox."
    return ""
