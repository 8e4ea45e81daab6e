"""`python -m bot`: the shopping assistant in Podline's runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.persona import load_persona
from bot.settings import read_settings
from podline.runner.__main__ import run_bot

if TYPE_CHECKING:
    from podline.runner.session import Bot


def check(environment: Mapping[str, str]) -> None:
    """Read the settings and the persona, so that a mistake is reported before anything heavy loads."""
    load_persona(read_settings(environment).persona)


def load() -> Bot:
    """Import the assistant."""
    from bot.bot import bot  # noqa: PLC0415

    return bot


if __name__ == "__main__":
    run_bot(load, check)
