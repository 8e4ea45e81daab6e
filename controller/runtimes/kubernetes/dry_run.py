"""Tries at the start whether a bot's Job would be taken, so that mistakes are found before a caller does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 2.0


class Probe:
    """Asks the API server to check one Job without making it.

    Attributes:
        not_ready_reason: why it would not be made, None where it would.
    """

    def __init__(self, place: NamespaceClient, manifest: Mapping[str, Any]) -> None:
        self.not_ready_reason: str | None = "No Job has been tried yet."
        self._place = place
        self._manifest = manifest

    async def run(self) -> None:
        """Try until it would be made: what is missing may be mended without a restart."""
        while (not_ready_reason := await self._not_ready_reason()) is not None:
            if not_ready_reason != self.not_ready_reason:
                log.warning("job would be refused", extra={"error": not_ready_reason})
            self.not_ready_reason = not_ready_reason
            await asyncio.sleep(_PAUSE_SECONDS)
        self.not_ready_reason = None

    async def _not_ready_reason(self) -> str | None:
        try:
            await self._place.create_job(self._manifest, dry_run=True)
        except ApiRefused as error:
            if error.is_quota:
                # The bots that run may have filled it.
                return None
            if error.status == 404:
                return (
                    f"There is no namespace {self._place.namespace}: create it, or set PODLINE_NAMESPACE "
                    "to the one where bots are to run."
                )
            return str(error)
        except ApiError as error:
            return str(error)
        return None
