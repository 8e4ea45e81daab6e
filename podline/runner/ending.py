"""Why a call ends: one reason, one sentence, and whether the bot says goodbye first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from podline.contract.reasons import TERMINATED, Reason
from podline.errors import BotError, first_cause

UNHURRIED_SECONDS: Final = 20.0
"""How long a bot may take to leave a call that it ends on its own."""


@dataclass(frozen=True)
class CallEnding:
    """Why a call ends.

    Attributes:
        reason: One of the reasons a bot can give itself, or `terminated`.
        message: One sentence for a person.
        goodbye: `none`; `ask` the model for one; or `awaited`, because the model is about to say one.
        error: What was raised, if that is why.
    """

    reason: Reason | Literal["terminated"]
    message: str
    goodbye: Literal["none", "ask", "awaited"] = "none"
    error: BaseException | None = field(default=None, compare=False, repr=False)

    @property
    def is_ordered(self) -> bool:
        """True if somebody asked for the end and waits for the process to be gone."""
        return self.reason in (TERMINATED, Reason.STOPPED, Reason.BUDGET_SPENT)

    @classmethod
    def of(cls, error: BotError) -> CallEnding:
        return cls(error.reason, error.message, error=error.__cause__)

    @classmethod
    def of_bug(cls, error: BaseException) -> CallEnding:
        """Return the ending for an unexpected error; a group's first error stands for all of them."""
        error = first_cause(error)
        if isinstance(error, MemoryError):
            return cls(Reason.OUT_OF_MEMORY, "The bot ran out of memory; give it more.")
        message = f"The bot crashed with {type(error).__name__}; see the bot's log."
        return cls(Reason.CRASHED, message, error=error)


CANCELLED: Final = CallEnding(Reason.CRASHED, "The bot's own code cancelled the call; see its log.")
LOOP_STOPPED: Final = CallEnding(Reason.CRASHED, "The bot's own code stopped the event loop; see its log.")
