"""A dry run of a bot's Job at startup, so that template errors surface before the first call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 2.0


class DryRun:
    """Asks the API server to check one Job without creating it.

    Attributes:
        not_ready_reason: why it would be refused; None if it would be created.
    """

    def __init__(self, client: NamespaceClient, manifest: Mapping[str, Any]) -> None:
        self.not_ready_reason: str | None = "No Job has been checked yet."
        self._client = client
        self._manifest = manifest

    async def run(self) -> None:
        """Repeat the check until it passes: what is missing may be added without a restart."""
        while (not_ready_reason := await self._not_ready_reason()) is not None:
            if not_ready_reason != self.not_ready_reason:
                log.warning("job would be refused", extra={"error": not_ready_reason})
            self.not_ready_reason = not_ready_reason
            await asyncio.sleep(_PAUSE_SECONDS)
        self.not_ready_reason = None

    async def _not_ready_reason(self) -> str | None:
        try:
            await self._client.create_job(self._manifest, dry_run=True)
        except ApiRefused as error:
            if error.is_quota:
                # The running bots may have used it up.
                return None
            if error.status == 404:
                return (
                    f"There is no namespace {self._client.namespace}: create it, or set PODLINE_NAMESPACE "
                    "to the one where bots are to run."
                )
            return str(error)
        except ApiError as error:
            return str(error)
        return None
