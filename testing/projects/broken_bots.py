"""The tables of all bots and definitions that are broken, as docs/reference/broken-bots.md has them."""

from __future__ import annotations

from typing import Final

from testing.projects.broken_bot import BrokenBot
from testing.projects.broken_calls import BROKEN_CALLS
from testing.projects.broken_definitions import BROKEN_DEFINITIONS
from testing.projects.broken_imports import BROKEN_IMPORTS

BROKEN_BOTS: Final = [*BROKEN_IMPORTS, *BROKEN_CALLS]


def bot_rows(bots: list[BrokenBot]) -> list[str]:
    """Return a row for each bot: its situation, the reason and the sentence on record."""
    head = ["| A bot that | Reason | On record |", "|---|---|---|"]
    return head + [f"| {bot.situation} | `{bot.reason}` | {bot.message} |" for bot in bots]


def definition_rows() -> list[str]:
    """Return a row for each definition: its situation and what is reported."""
    head = ["| A definition that | Reported |", "|---|---|"]
    return head + [f"| {each.situation} | {each.message} |" for each in BROKEN_DEFINITIONS]
