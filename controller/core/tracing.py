"""What the controller tells of a start, and of a session at its end, to whoever follows traces: a Protocol.

By default nothing is told, and nothing is loaded that could.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from fastapi.telemetry import TelemetryConfig

from controller.core.session import Session

_OF_NOTHING: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


class Tracing(Protocol):
    """Where spans go."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """What FastAPI itself is to tell of requests."""

    def is_about(self, session_id: str) -> None:
        """The request at work is about this session."""

    def step(
        self, name: str, *, continues: Mapping[str, str] | None = None
    ) -> AbstractContextManager[object]:
        """One step of the work: a span for as long as this lasts, failed by the error that leaves it.

        Args:
            name: constant.
            continues: the W3C headers of what it is a step of; None for whatever is at work here.
        """

    def context(self) -> dict[str, str]:
        """The W3C headers by which another process continues what is at work here."""

    def ended(self, session: Session) -> None:
        """A session has ended: its stages as they are on record."""

    def close(self) -> None:
        """Send what is left; gives up soon where nobody takes it."""


class Untraced:
    """Tells nothing."""

    of_requests = _OF_NOTHING

    def is_about(self, session_id: str) -> None:
        pass

    def step(
        self,
        name: str,  # noqa: ARG002 - nobody to tell
        *,
        continues: Mapping[str, str] | None = None,  # noqa: ARG002 - likewise
    ) -> AbstractContextManager[object]:
        return nullcontext()

    def context(self) -> dict[str, str]:
        return {}

    def ended(self, session: Session) -> None:
        pass

    def close(self) -> None:
        pass
