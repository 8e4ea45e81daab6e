"""The id of an installation in a cluster: derived from its namespace's UID, which nobody can change."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Final

from tenacity import AsyncRetrying, retry_if_result, wait_fixed

from controller.core.errors import RuntimeUnavailable
from controller.core.runtime import INSTALLATION_CHARACTERS
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 2.0


class NamespaceInstallation:
    """Reads the namespace once.

    Attributes:
        not_ready_reason: why the id is not known yet; None if it is.
    """

    def __init__(self, client: NamespaceClient) -> None:
        self.not_ready_reason: str | None = "The namespace has not been read yet."
        self._client = client
        self._id: str | None = None

    @property
    def id(self) -> str:
        """Return the id.

        Raises:
            RuntimeUnavailable: it is not known yet.
        """
        if self._id is None:
            raise RuntimeUnavailable(self.not_ready_reason or "")
        return self._id

    async def run(self) -> None:
        """Repeat the request until it succeeds: a missing permission may be added without a restart."""
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda is_known: not is_known),
            wait=wait_fixed(_PAUSE_SECONDS),
            sleep=asyncio.sleep,
        )
        await retrying(self._read)

    async def _read(self) -> bool:
        """Return whether the id is known now."""
        try:
            uid = await self._client.namespace_uid()
        except ApiError as error:
            reason = str(error)
            if reason != self.not_ready_reason:
                log.warning("namespace not read", extra={"error": reason})
            self.not_ready_reason = reason
            return False
        self._id = hashlib.sha256(uid.encode()).hexdigest()[:INSTALLATION_CHARACTERS]
        self.not_ready_reason = None
        return True
