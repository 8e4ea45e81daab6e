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
    """

    installation: str

    def of(self, launch_id: str) -> str:
        return f"{self._prefix}{launch_id}"

    def launch(self, name: str) -> str | None:
        """The launch a room was made for; None where it is not of this installation."""
        launch_id = name.removeprefix(self._prefix)
        return launch_id if launch_id != name and _LAUNCH.fullmatch(launch_id) else None

    @property
    def _prefix(self) -> str:
        return f"podline-{self.installation}-"
