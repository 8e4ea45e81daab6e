"""What a check finds: whether something is as it should be, and what to do if it isn't."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was checked, in a word or two.
        status: how it is.
        message: what was found, as a sentence.
        remedy: what to do, as a sentence; None if nothing.
    """

    check: str
    status: CheckStatus
    message: str
    remedy: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    return Finding(check, CheckStatus.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, CheckStatus.WARNING, message, remedy)


def failed(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, CheckStatus.FAILED, message, remedy)


def skipped(check: str, message: str) -> Finding:
    return Finding(check, CheckStatus.SKIPPED, message)
