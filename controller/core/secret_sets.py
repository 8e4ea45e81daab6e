"""Secret sets: variables and image credentials that agents name, known here by their names alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

SET_PATTERN: Final = r"[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?"
"""The name of a set, as in an agent's `secret_set`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSet:
    """What is known of one set.

    Attributes:
        name: of the set.
        keys: the names of its variables; none if it holds image credentials.
        registry: the host of the image registry that it has credentials for; None if it holds variables.
        updated: when it was last changed.
    """

    name: str
    updated: datetime
    keys: tuple[str, ...] = ()
    registry: str | None = None

    @property
    def held(self) -> str:
        """What the set holds, in words."""
        return "variables" if self.registry is None else "image credentials"


class SecretSets(Protocol):
    """Writes secret sets. No method returns a value.

    Each method that changes something raises RuntimeUnavailable if that can't be done right now, and
    InvalidRequest if it may not be done at all.
    """

    def all(self) -> Sequence[SecretSet]:
        """Return all sets by name."""

    def find(self, name: str) -> SecretSet | None:
        """Return one set; None if there is none."""

    async def put(self, name: str, key: str, value: str) -> None:
        """Set one variable of a set, which is created if it doesn't exist."""

    async def put_image_credentials(self, name: str, registry: str, credentials: str) -> None:
        """Set the credentials of a registry, as the base64 of `USER:PASSWORD`."""

    async def remove_key(self, name: str, key: str) -> bool:
        """Remove a variable. Return whether there was one."""

    async def remove(self, name: str) -> bool:
        """Remove a set. Return whether there was one."""
