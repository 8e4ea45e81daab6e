"""Limits on running sessions, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

USUAL_WAIT_SECONDS: Final = 10
"""After which a caller may try again for a session that another has to end for."""


class LimitName(StrEnum):
    """The limits that a start may be over."""

    CAPACITY = "capacity"
    USER = "user"
    ADDRESS = "address"
    AGENT = "agent"
    MODEL_KEY = "model_key"
    ROOM_PROVIDER = "room_provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit on running sessions and its state.

    Attributes:
        subject: whose limit it is: an agent, or the name of a model key; empty for the installation's own.
        most: how many sessions it admits now.
        full: how many it admits while upstream refuses nothing.
        used: how many count against it.
        wait_seconds: when a retry may help.
    """

    name: LimitName
    subject: str = ""
    most: int
    full: int
    used: int
    wait_seconds: int = USUAL_WAIT_SECONDS

    @property
    def is_reached(self) -> bool:
        return self.used >= self.most

    @property
    def is_lowered(self) -> bool:
        """Whether refusals from upstream have lowered it."""
        return self.most < self.full
