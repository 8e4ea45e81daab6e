"""The names of this installation's rooms, which distinguish them from all others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.core.runtime import INSTALLATION_CHARACTERS

_LAUNCH: Final = re.compile(r"[A-Za-z0-9-]+")
_OF_ANY_SESSION: Final = re.compile(rf"podline-[0-9a-f]{{{INSTALLATION_CHARACTERS}}}-{_LAUNCH.pattern}")


@dataclass(frozen=True, slots=True)
class RoomNames:
    """The names of one installation's rooms: letters, digits and hyphens, which every provider accepts.

    A room is named after its launch, not its session: if a session is started again under the same id, it
    has a room of its own, which the end of the former launch can't close.

    Attributes:
        installation_id: returns the part of the name that identifies the installation.
    """

    installation_id: Callable[[], str]

    def of(self, launch_id: str) -> str:
        return f"{self._prefix()}{launch_id}"

    def launch(self, name: str) -> str | None:
        """Return the launch that a room was made for; None if the room is another installation's."""
        launch_id = name.removeprefix(self._prefix())
        return launch_id if launch_id != name and _LAUNCH.fullmatch(launch_id) else None

    def is_of_any_session(self, name: str) -> bool:
        """Return whether this installation or another made the room, for a session of its own."""
        return _OF_ANY_SESSION.fullmatch(name) is not None

    def _prefix(self) -> str:
        return f"podline-{self.installation_id()}-"
