"""The Lease by which the controllers of a namespace agree on a leader, and the requests that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiRefused
from controller.runtimes.kubernetes.client.objects import Annotations, Meta
from podline.contract.version import VERSION

NAME: Final = "podline-controller"

DURATION_SECONDS: Final = 4
"""After this long without a renewal, another controller may take the Lease."""

_ADDRESS: Final = f"{names.OURS}address"
_VERSION: Final = f"{names.OURS}version"
_DRAINING: Final = f"{names.OURS}draining"
_NOT_FOUND: Final = 404
_INVALID: Final = 422


class LeaseAnnotations(Annotations, frozen=True):
    address: str | None = msgspec.field(name=_ADDRESS, default=None)
    draining: str | None = msgspec.field(name=_DRAINING, default=None)


class LeaseMeta(Meta, frozen=True):
    annotations: LeaseAnnotations = LeaseAnnotations()


class LeaseSpec(msgspec.Struct, rename="camel", frozen=True):
    holder_identity: str | None = None
    renew_time: str | None = None
    lease_transitions: int = 0


class Lease(msgspec.Struct, frozen=True):
    """`coordination.k8s.io/v1` Lease."""

    metadata: LeaseMeta
    spec: LeaseSpec = LeaseSpec()

    @property
    def holder(self) -> str | None:
        """Return who holds it; None if nobody does."""
        return self.spec.holder_identity or None

    @property
    def address(self) -> str | None:
        """Return where other replicas reach the holder, as host:port; None if nobody knows."""
        address = self.metadata.annotations.address or ""
        return address if self.holder is not None and _is_host_and_port(address) else None

    @property
    def is_draining(self) -> bool:
        return self.metadata.annotations.draining == "true"


class NotHolder(Exception):  # noqa: N818 - named for what happened
    """Another controller holds the Lease, or nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Requests for the Lease of one namespace. Each raises ApiRefused and ApiUnreachable.

    Attributes:
        api: a connection for them alone.
        namespace: the bots'.
        identity: of this controller, which no other has.
        address: where other replicas reach it, as host:port.
    """

    api: Api
    namespace: str
    identity: str
    address: str

    @property
    def collection(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def _path(self) -> str:
        return f"{self.collection}/{NAME}"

    async def find(self) -> Lease | None:
        """Return the Lease; None if there is none."""
        try:
            return await self.api.read("GET", self._path, Lease)
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def take(self, seen: Lease, now: datetime) -> Lease:
        """Take it, if nobody has changed it since it was seen; it is refused as a conflict otherwise."""
        body = {
            "metadata": {
                "uid": seen.metadata.uid,
                "resourceVersion": seen.metadata.resource_version,
                "annotations": self._annotations(),
            },
            "spec": self._spec(now, transitions=seen.spec.lease_transitions + 1),
        }
        return await self.api.read("PATCH", self._path, Lease, body=body)

    async def renew(self, now: datetime) -> None:
        """Renew it. Raises NotHolder."""
        await self._change([_replace("/spec/renewTime", _micro_time(now))])

    async def release(self, now: datetime) -> None:
        """Give it up. Raises NotHolder."""
        await self._change(
            [_replace("/spec/holderIdentity", ""), _replace("/spec/renewTime", _micro_time(now))]
        )

    async def keep_draining(self, is_draining: bool) -> None:  # noqa: FBT001 - the one thing it keeps
        """Note on it whether sessions may be started. Raises NotHolder."""
        key = _DRAINING.replace("/", "~1")
        await self._change(
            [{"op": "add", "path": f"/metadata/annotations/{key}", "value": str(is_draining).lower()}]
        )

    async def _change(self, operations: list[Mapping[str, Any]]) -> None:
        """Change it only while this controller holds it.

        Several changes may be under way at the same time, so none of them depends on a resourceVersion.
        """
        own = {"op": "test", "path": "/spec/holderIdentity", "value": self.identity}
        try:
            await self.api.request("PATCH", self._path, body=[own, *operations])
        except ApiRefused as error:
            if error.status in (_INVALID, _NOT_FOUND) and not await self._holds():
                raise NotHolder(str(error)) from error
            raise

    async def _holds(self) -> bool:
        """Return whether this controller holds it: an admission policy refuses like a test that fails."""
        lease = await self.find()
        return lease is not None and lease.holder == self.identity

    def _annotations(self) -> dict[str, str]:
        return {_ADDRESS: self.address, _VERSION: VERSION}

    def _spec(self, now: datetime, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
            "leaseTransitions": transitions,
        }


def _is_host_and_port(text: str) -> bool:
    """Return whether an annotation is an address: whoever may change the Lease can write anything there."""
    try:
        parts = urlsplit(f"//{text}")
        return parts.netloc == text and "@" not in text and bool(parts.hostname and parts.port)
    except ValueError:
        return False


def _replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def _micro_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
