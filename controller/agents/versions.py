"""The versions of one agent's definition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.core.agents import AgentDefinition, AgentVersion

KEPT: Final = 10
"""How many versions of an agent are kept, the active one included."""


class Versions:
    """The last versions of one agent, the active one last."""

    def __init__(
        self, next_serial: int = 1, kept: Iterable[AgentVersion] = (), deployment: str | None = None
    ) -> None:
        """Go on from what was kept.

        Args:
            next_serial: of the next version.
            kept: the last versions, the active one last.
            deployment: of the active one.
        """
        self._next_serial = next_serial
        self._kept = list(kept)
        self._deployment = deployment

    @property
    def next_serial(self) -> int:
        """The serial number of the next version."""
        return self._next_serial

    @property
    def kept(self) -> Sequence[AgentVersion]:
        """The last versions, the active one last."""
        return self._kept

    @property
    def deployment(self) -> str | None:
        """What the active version was deployed with; None before the first."""
        return self._deployment

    @property
    def active(self) -> AgentVersion | None:
        """The active version; None before the first."""
        return self._kept[-1] if self._kept else None

    def find(self, version_id: str) -> AgentVersion | None:
        """Return a version that is kept."""
        return next((each for each in reversed(self._kept) if each.id == version_id), None)

    def has(self, definition: AgentDefinition, deployment: str) -> bool:
        """Return whether this is what the active version was made of."""
        active = self.active
        return active is not None and (active.definition, self._deployment) == (definition, deployment)

    def next(self, definition: AgentDefinition, files: Mapping[str, str]) -> AgentVersion:
        """Return the version that a deployment of this definition makes."""
        return AgentVersion(definition=definition, serial=self._next_serial, files=files)

    def deploy(
        self,
        definition: AgentDefinition,
        deployment: str,
        files: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> AgentVersion | None:
        """Make a definition the active one. Return the version if it is another than before.

        Args:
            definition: valid.
            deployment: differs if the same definition was deployed again, which is a version of its own.
            files: that it was read from, if they are to be kept.
            at: the moment.
        """
        if self.has(definition, deployment):
            return None
        version = replace(self.next(definition, files or {}), deployed_at=at)
        self._next_serial += 1
        self._deployment = deployment
        self._kept = [*self._kept[-(KEPT - 1) :], version]
        return version
