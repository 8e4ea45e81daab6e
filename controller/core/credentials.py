"""What a bot shows to services outside: issued for one launch, and passed to the bot as variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.core.session import Session


class Issuer(Protocol):
    """Issues credentials for one service."""

    async def issue(self, session: Session, *, lifetime_seconds: float) -> Mapping[str, str]:
        """Make credentials for a session's bot, as variables of its environment.

        They are of use for that session alone, and for as long as it may last at most.

        Raises:
            ModelUnavailable: the service issued none.
        """

    async def aclose(self) -> None:
        """Let connections to the service go."""


class Credentials:
    """All that is issued for a launch; nothing without issuers."""

    def __init__(self, issuers: Sequence[Issuer] = ()) -> None:
        self._issuers = tuple(issuers)

    async def issue(self, session: Session, *, lifetime_seconds: float) -> dict[str, str]:
        """Ask each issuer. Raises as they do."""
        issued: dict[str, str] = {}
        for issuer in self._issuers:
            issued.update(await issuer.issue(session, lifetime_seconds=lifetime_seconds))
        return issued

    async def aclose(self) -> None:
        for issuer in self._issuers:
            await issuer.aclose()
