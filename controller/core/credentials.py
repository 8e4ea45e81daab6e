"""A bot's credentials for outside services: issued for one launch, passed to the bot as variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.core.session import Session


class Issuer(Protocol):
    """Issues credentials for one service."""

    async def issue(self, session: Session, *, lifetime_seconds: float) -> Mapping[str, str]:
        """Issue credentials for a session's bot, as variables of its environment.

        They are valid for that session only, and no longer than it may last.

        Raises:
            ModelUnavailable: the service issued none.
        """

    async def aclose(self) -> None:
        """Close the connections to the service."""


class Credentials:
    """Issues all credentials of a launch; none without issuers."""

    def __init__(self, issuers: Sequence[Issuer] = ()) -> None:
        self._issuers = tuple(issuers)

    async def issue(self, session: Session, *, lifetime_seconds: float) -> dict[str, str]:
        """Return what all issuers issue. Raises as they do."""
        issued: dict[str, str] = {}
        for issuer in self._issuers:
            issued.update(await issuer.issue(session, lifetime_seconds=lifetime_seconds))
        return issued

    async def aclose(self) -> None:
        for issuer in self._issuers:
            await issuer.aclose()
