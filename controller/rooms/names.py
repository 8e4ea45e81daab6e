"""What rooms of this installation are called, so that they are told from others' rooms. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LAUNCH: Final = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class RoomNames:
    """The names of one installation's rooms: of letters, digits and hyphens, as every provider takes them.

    A room is named for its launch, not for its session: a session that is started once more under the same
    id has a room of its own, which the end of the former launch can't close.

    Attributes:
        installation: names rooms.
        former: what the installation was called under secrets that still verify. Such rooms are its own.
    """

    installation: str
    former: tuple[str, ...] = ()

    def of(self, launch_id: str) -> str:
        return f"{_prefix(self.installation)}{launch_id}"

    def launch(self, name: str) -> str | None:
        """The launch a room was made for; None where it is not of this installation."""
        for installation in (self.installation, *self.former):
            launch_id = name.removeprefix(_prefix(installation))
            if launch_id != name and _LAUNCH.fullmatch(launch_id):
                return launch_id
        return None


def _prefix(installation: str) -> str:
    return f"podline-{installation}-"
