"""Tracing of starts, and of sessions at their end: a Protocol.

By default nothing is traced, and no tracing library is loaded.
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
    """Records spans."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """Return what FastAPI itself records of requests."""

    def is_about(self, session_id: str) -> None:
        """Note that the current request is about this session."""

    def step(
        self, name: str, *, continues: Mapping[str, str] | None = None
    ) -> AbstractContextManager[object]:
        """Record one step of the work as a span. An error that leaves it marks it as failed.

        Args:
            name: constant.
            continues: the W3C headers of its parent; None for the current span.
        """

    def context(self) -> dict[str, str]:
        """Return the W3C headers with which another process continues the current span."""

    def ended(self, session: Session) -> None:
        """Record the stages of a session that has ended, from its timeline."""

    def close(self) -> None:
        """Send the remaining spans. Gives up soon if the receiver doesn't answer."""


class Untraced:
    """Records nothing."""

    of_requests = _OF_NOTHING

    def is_about(self, session_id: str) -> None:
        pass

    def step(
        self,
        name: str,  # noqa: ARG002 - nothing to record
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
