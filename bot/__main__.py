"""`python -m bot`: the shopping assistant in Podline's runner."""

from collections.abc import Mapping

from bot.persona import load_persona
from bot.settings import read_settings
from podline.runner.__main__ import run_bot


def check(environment: Mapping[str, str]) -> None:
    """Read the settings and the persona, so that a mistake is reported before anything heavy loads."""
    load_persona(read_settings(environment).persona)


if __name__ == "__main__":
    run_bot("bot.bot", check)
