"""How a command fails: one sentence for a person, and an exit code for a program."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """What a command's exit code means."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "The command did what it says."
    FAILED = 1, "The controller refused the request, or something failed; the message says what."
    USAGE = 2, "An option, an argument, a variable or the file of contexts is not valid."
    NOT_FOUND = 3, "There is no such session, agent, version, secret set or context."
    NOT_ALLOWED = 4, "The controller asks for a key, or the key doesn't allow this (401, 403)."
    UNREACHABLE = 5, "The controller can't be reached, doesn't answer in time, or is no controller."
    DEPLOY_REFUSED = 6, "A deployment or rollback was refused, or a bot didn't start; the active one serves."
    INTERRUPTED = 130, "Ctrl-C ended the command."


class CommandError(Exception):
    """A command can't go on. The text is the one sentence that is shown: what happened, and what to do.

    Attributes:
        details: lines to print before the sentence, such as the end of what a program said.
        code: the exit code.
    """

    def __init__(self, sentence: str, *, details: str = "", code: int = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.details = details.strip()
        self.code = code
