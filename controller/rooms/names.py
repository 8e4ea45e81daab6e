"""The names of this installation's rooms, which distinguish them from all others. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LAUNCH: Final = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class RoomNames:
    """The names of one installation's rooms: letters, digits and hyphens, which every provider accepts.

    A room is named after its launch, not its session: if a session is started again under the same id, it
    has a room of its own, which the end of the former launch can't close.

    Attributes:
        installation: the part of the name that identifies the installation.
        former: the same under secrets that still verify. Those rooms are its own too.
    """

    installation: str
    former: tuple[str, ...] = ()

    def of(self, launch_id: str) -> str:
        return f"{_prefix(self.installation)}{launch_id}"

    def launch(self, name: str) -> str | None:
        """Return the launch that a room was made for; None if the room is another installation's."""
        for installation in (self.installation, *self.former):
            launch_id = name.removeprefix(_prefix(installation))
            if launch_id != name and _LAUNCH.fullmatch(launch_id):
                return launch_id
        return None


def _prefix(installation: str) -> str:
    return f"podline-{installation}-"
