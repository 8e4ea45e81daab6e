"""A dry run of a bot's Job at startup, so that template errors surface before the first call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from tenacity import AsyncRetrying, retry_if_result, wait_fixed

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
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda passes: not passes),
            wait=wait_fixed(_PAUSE_SECONDS),
            sleep=asyncio.sleep,
        )
        await retrying(self._check)

    async def _check(self) -> bool:
        """Return whether the Job would be created."""
        reason = await self._not_ready_reason()
        if reason is not None and reason != self.not_ready_reason:
            log.warning("job would be refused", extra={"error": reason})
        self.not_ready_reason = reason
        return reason is None

    async def _not_ready_reason(self) -> str | None:
        try:
            await self._client.create_job(self._manifest, dry_run=True)
        except ApiRefused as error:
            if error.is_quota:
                # Running bots may have used up the quota.
                return None
            if error.status == 404:
                return (
                    f"There is no namespace {self._client.namespace}: create it, or set PODLINE_NAMESPACE "
                    "to the one that bots should run in."
                )
            return str(error)
        except ApiError as error:
            return str(error)
        return None
