"""What to run on this machine, once all that it needs is known to be there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from podline.contract import environment
from podline_cli.errors import CommandError
from podline_cli.local.machine import Plan

DEFAULT_PORT: Final = "7860"
_PACKAGES: Final = ("aiohttp", "dotenv", "espeakng_loader", "fastapi", "pipecat", "pocketsphinx")
"""One of each extra that `local` consists of."""
_SHIPPED: Final = Path(__file__).parent / "shipped"
_CHECKOUT: Final = Path(__file__).parents[2] / "deploy"


def check_packages() -> None:
    """Check that what runs on this machine is installed.

    Raises:
        CommandError: Something is missing.
    """
    if any(find_spec(each) is None for each in _PACKAGES):
        raise CommandError(
            "This command runs a controller, a bot and the stand-ins, whose packages are not installed: in "
            "Podline's checkout, run `uv tool install '.[local]'` and try again."
        )


def missing_keys(settings: Mapping[str, str]) -> str:
    """Return what the shopping assistant lacks, as part of a sentence; empty if it has all."""
    needed = (environment.GOOGLE_API_KEY, environment.CONVEX_URL)
    return " and ".join(name for name in needed if not settings.get(name))


def shipped_file(path: str) -> Path | None:
    """Return a file of `deploy`, from the wheel or from the checkout; None if neither has it."""
    candidates = (_SHIPPED / Path(path).name, _CHECKOUT / path)
    return next((each for each in candidates if each.is_file()), None)


def logs_directory(port: str, variables: Mapping[str, str]) -> Path:
    """Return an empty directory for logs, where programs keep what outlives them.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base = Path(variables.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".local" / "state"
    return empty_directory(base / "podline" / f"dev-{port}")


def empty_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)
    return path


def welcome(plan: Plan, hint: str = "") -> str:
    """Return what a person reads once everything runs; `hint` is one more thing to know."""
    lines = ["", f"  Podline is ready:  {_address(plan)}", ""]
    if plan.bot is None:
        lines.append('  Click "Start talking" and say: find running shoes under one hundred dollars.')
    else:
        lines.append('  Click "Start talking". Each call loads the bot afresh, so edit it and call again:')
        lines.append(f"  {plan.bot.file}")
    lines += [f"  {_services(plan)}", *([f"  {hint}"] if hint else []), ""]
    if plan.prometheus is not None:
        lines += [f"  {line}" for line in plan.prometheus.guide().splitlines()] + [""]
        if plan.prices is not None:
            lines += [f"  Costs are computed from the example prices in {_shown(plan.prices, plan)}.", ""]
    lines += [f"  Logs are in {_shown(plan.logs, plan)}. Press Ctrl-C to stop everything.", ""]
    return "\n".join(lines)


def _address(plan: Plan) -> str:
    agent = "" if plan.bot is None else f"?agent={plan.bot.name}"
    return f"http://127.0.0.1:{plan.port}/{agent}"


def _services(plan: Plan) -> str:
    if plan.with_sandbox:
        return "The model and the store are stand-ins on this machine: no account, no key, no internet."
    if plan.bot is None:
        return "The model is Google's and the store is your own, with the keys in .env."
    return "The bot uses its own services, with the keys in its .env or the environment."


def _shown(path: Path, plan: Plan) -> str:
    """Return a path below the programs' directory, or below the home directory, in its short form."""
    if path.is_relative_to(plan.directory):
        return str(path.relative_to(plan.directory))
    home = os.path.expanduser("~")  # noqa: PTH111 - unlike Path.home, never fails
    return str(path).replace(home, "~", 1) if str(path).startswith(f"{home}{os.sep}") else str(path)
