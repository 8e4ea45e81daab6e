"""The versions of one agent's definition. Pure."""

from __future__ import annotations

from typing import Final

from controller.core.agents import AgentDefinition, AgentVersion

KEPT: Final = 10
"""How many versions of an agent are kept, the active one included."""


class Versions:
    """The last versions of one agent, the active one last."""

    def __init__(self, next_serial: int = 1) -> None:
        self._next_serial = next_serial
        self._kept: list[AgentVersion] = []
        self._deployment: str | None = None

    @property
    def active(self) -> AgentVersion | None:
        """The active version; None before the first."""
        return self._kept[-1] if self._kept else None

    def find(self, version_id: str) -> AgentVersion | None:
        """Return a version that is kept."""
        return next((each for each in reversed(self._kept) if each.id == version_id), None)

    def deploy(self, definition: AgentDefinition, deployment: str) -> AgentVersion | None:
        """Make a definition the active one. Return the version if it is another than before.

        Args:
            definition: valid.
            deployment: differs if the same definition was deployed again, which is a version of its own.
        """
        active = self.active
        if active is not None and (active.definition, self._deployment) == (definition, deployment):
            return None
        version = AgentVersion(definition=definition, serial=self._next_serial)
        self._next_serial += 1
        self._deployment = deployment
        self._kept = [*self._kept[-(KEPT - 1) :], version]
        return version
