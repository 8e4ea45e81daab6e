"""Errors that end a call early, each with the reason that it is reported under.

* BotError
  - BotCrashed         the bot's own code failed
  - ConfigInvalid      a file that the bot needs is wrong
    - WrongVariables   environment variables are
  - RoomRefused        the room did not let the bot in
  - RoomLost           the room is gone, or the bot can no longer hear or be heard
  - ModelRefused       the key, quota or setup was not accepted
  - ModelUnreachable   no connection to the model
  - ModelLost          the connection was lost for good during the call
"""

# ruff: noqa: N818 - named like their reasons

import traceback
from collections.abc import Sequence
from typing import ClassVar

from podline.contract.reasons import Reason


def first_cause(error: BaseException) -> BaseException:
    """Return the error, or a group's first one, which stands for all of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def last_line(error: BaseException) -> str:
    """Return the last line of an error's traceback: its type and its own text, which may contain anything."""
    lines = "".join(traceback.format_exception_only(first_cause(error))).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


class BotError(Exception):
    """The call can't begin or continue. `message` says what happened and what to do, for a person."""

    reason: ClassVar[Reason] = Reason.CRASHED

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class BotCrashed(BotError):
    pass


class ConfigInvalid(BotError):
    reason = Reason.CONFIG_INVALID


class WrongVariables(ConfigInvalid):
    """`problems` has a part of a sentence for each wrong variable."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{'; '.join(problems)}; correct this and start again.")
        self.problems = tuple(problems)


class RoomRefused(BotError):
    reason = Reason.ROOM_REFUSED


class RoomLost(BotError):
    reason = Reason.ROOM_LOST


class ModelRefused(BotError):
    reason = Reason.MODEL_REFUSED


class ModelUnreachable(BotError):
    reason = Reason.MODEL_UNREACHABLE


class ModelLost(BotError):
    reason = Reason.MODEL_LOST
