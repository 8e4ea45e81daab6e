"""What a dialogue has come to, so far as the next answer depends on it."""

from __future__ import annotations

from typing import Literal

import msgspec

from sandbox.mind.intents import Intent, Search

TurnKind = Literal["greeting", "answer", "tool_result"]
"""A turn in which the model speaks first, answers the caller, or answers a tool's result."""


class Asked(msgspec.Struct):
    """What the model was asked last.

    Attributes:
        kind: What kind of turn answers it.
        intent: What it asks for; None if that was not understood.
        answer: The answer, if it is known without asking a tool.
    """

    kind: TurnKind
    intent: Intent | None
    answer: str | None = None


class Dialogue(msgspec.Struct):
    """What was said and asked.

    Attributes:
        greeted: Whether anything has been said yet.
        asked: What was asked last.
        owes: True until that is answered.
        search: What the caller looked for last.
    """

    greeted: bool = False
    asked: Asked | None = None
    owes: bool = False
    search: Search | None = None

    def ask(self, asked: Asked) -> None:
        """Note what was asked, or how that is to be answered."""
        self.asked = asked
        self.owes = True
        if isinstance(asked.intent, Search):
            self.search = asked.intent

    def answer(self) -> None:
        """Note that what was asked is answered."""
        self.owes = False
