"""A ConfigMap of ours that the next controller may write at any moment, so that no write goes unseen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient


class SharedConfigMap:
    """One ConfigMap. Each write is refused as a conflict if somebody has written since it was read.

    Attributes:
        data: as it was last read or written here.
        is_claimed: whether it has been written here, so that no write of a former controller that is still
            under way can take effect any more.
    """

    def __init__(self, client: NamespaceClient, name: str) -> None:
        self.data: Mapping[str, str] = {}
        self.is_claimed = False
        self._client = client
        self._name = name
        self._version = ""

    async def read(self) -> bool:
        """Read it. Return whether it exists. Raises ApiError."""
        found = await self._client.find_config_map(self._name)
        if found is not None:
            self.data, self._version = found.data, found.metadata.resource_version
        return found is not None

    async def write(self, changed: Mapping[str, str | None]) -> None:
        """Change keys; None removes one. Raises ApiError: see `is_conflict`."""
        await self._patch({"data": changed})
        kept = {**self.data, **changed}
        self.data = {key: text for key, text in kept.items() if text is not None}

    async def claim(self) -> None:
        """Write it without a change of its data. Raises ApiError: see `is_conflict`."""
        # Another value each time: a patch without an effect leaves the version as it is.
        await self._patch({"metadata": {"annotations": {names.CLAIM: uuid.uuid4().hex}}})

    async def _patch(self, patch: Mapping[str, object]) -> None:
        if not self._version:
            await self.read()
        self._version = await self._client.patch_config_map(self._name, self._version, patch)
        self.is_claimed = True


def is_conflict(error: BaseException) -> bool:
    """Return whether a write was refused because somebody else has written since the last read."""
    return isinstance(error, ApiRefused) and error.is_conflict
