"""Requests for bots in one namespace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiRefused, ApiUnreachable, readable
from controller.runtimes.kubernetes.client.objects import ConfigMap, Event, Job, Namespace, Page, Pod

T = TypeVar("T")

_LOG_IDLE_SECONDS: Final = 3600.0
"""A bot may log nothing for as long as its caller is silent."""

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_ALL: Final = {"dryRun": "All"}


class NamespaceClient:
    """One namespace, and what is in it. Each method raises ApiRefused and ApiUnreachable."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self._namespace = f"/api/v1/namespaces/{namespace}"
        self.jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.pods = f"{self._namespace}/pods"
        self.config_maps = f"{self._namespace}/configmaps"
        self._secrets = f"{self._namespace}/secrets"
        self._events = f"{self._namespace}/events"

    async def namespace_uid(self) -> str:
        """Return the UID of the namespace itself: unique, and kept for as long as the namespace exists."""
        found = await self.api.read("GET", self._namespace, Namespace)
        if not found.metadata.uid:
            raise ApiUnreachable(
                "The API server's answer can't be read: the namespace has no uid.", is_certain=True
            )
        return found.metadata.uid

    async def create_job(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Job:
        query = _ALL if dry_run else None
        return await self.api.read("POST", self.jobs, Job, query=query, body=manifest)

    async def create_secret(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> None:
        query = _ALL if dry_run else None
        await self.api.request("POST", self._secrets, query=query, body=manifest)

    async def write_secret(self, manifest: Mapping[str, Any]) -> None:
        """Create a Secret, or replace the one of its name."""
        try:
            await self.create_secret(manifest)
        except ApiRefused as error:
            if not error.is_taken:
                raise
            await self.api.request("PUT", f"{self._secrets}/{manifest['metadata']['name']}", body=manifest)

    async def delete_secret(self, name: str) -> None:
        await self._delete(f"{self._secrets}/{name}", {})

    async def create_event(self, manifest: Mapping[str, Any]) -> None:
        await self.api.request("POST", self._events, body=manifest)

    async def find_config_map(self, name: str) -> ConfigMap | None:
        return await self._find(f"{self.config_maps}/{name}", ConfigMap)

    async def patch_config_map(self, name: str, patch: Mapping[str, Any]) -> None:
        await self.api.request("PATCH", f"{self.config_maps}/{name}", body=patch)

    async def find_job(self, name: str) -> Job | None:
        return await self._find(f"{self.jobs}/{name}", Job)

    async def patch_job(self, name: str, uid: str, patch: Mapping[str, Any]) -> Job | None:
        """Change a Job. Return None if it is gone, or another one has its name."""
        body = {**patch, "metadata": {**patch["metadata"], "uid": uid}}
        try:
            return await self.api.read("PATCH", f"{self.jobs}/{name}", Job, body=body)
        except ApiRefused as error:
            if error.status == _NOT_FOUND or "metadata.uid" in error.message:
                return None
            raise

    async def delete_job(self, name: str, uid: str) -> None:
        """Delete a Job with everything it owns. If it is gone, another Job of its name is left alone."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._delete(f"{self.jobs}/{name}", body)

    async def delete_pod(self, name: str, *, grace_seconds: int | None = None) -> None:
        """Ask a pod to end. With `grace_seconds=0`, remove it without waiting for its node."""
        body = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        await self._delete(f"{self.pods}/{name}", body)

    async def find_pod(self, launch_id: str) -> Pod | None:
        query = {"labelSelector": f"{names.LAUNCH_ID}={launch_id}", "limit": 1}
        page = await self.api.read("GET", self.pods, Page, query=query)
        with readable():
            return msgspec.json.decode(page.items[0], type=Pod) if page.items else None

    async def warnings(self, name: str) -> list[Event]:
        """Return the current warnings about one Job or pod."""
        query = {"fieldSelector": f"involvedObject.name={name},type=Warning", "limit": 50}
        page = await self.api.read("GET", self._events, Page, query=query)
        with readable():
            return [msgspec.json.decode(item, type=Event) for item in page.items]

    async def log_end(self, pod_name: str, *, lines: int, limit_bytes: int) -> str:
        """Return the last lines of a bot's log."""
        query = {"container": names.BOT_CONTAINER, "tailLines": lines, "limitBytes": limit_bytes}
        return (await self.api.request("GET", f"{self.pods}/{pod_name}/log", query=query)).decode(
            errors="replace"
        )

    async def log(self, pod_name: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Yield a bot's log in pieces. An empty first piece says that it is open."""
        query = {"container": names.BOT_CONTAINER, "follow": str(follow).lower()}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_LOG_IDLE_SECONDS)
        async with self.api.stream(
            "GET", f"{self.pods}/{pod_name}/log", query=query, timeout=timeout
        ) as answer:
            yield b""
            async for piece in answer.content.iter_any():
                yield piece

    async def _find(self, path: str, kind: type[T]) -> T | None:
        """Return an object; None if there is none."""
        try:
            return await self.api.read("GET", path, kind)
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def _delete(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            await self.api.request("DELETE", path, body=body)
        except ApiRefused as error:
            is_another = error.status == _CONFLICT and "precondition" in error.message.lower()
            if error.status != _NOT_FOUND and not is_another:
                raise
