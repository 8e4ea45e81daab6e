"""Requests for bots in one namespace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.api import DRY_RUN, Api
from controller.runtimes.kubernetes.client.errors import ApiRefused, ApiUnreachable, readable
from controller.runtimes.kubernetes.client.objects import (
    ConfigMap,
    Event,
    Job,
    Meta,
    Namespace,
    Page,
    Pod,
    launch_of,
)

T = TypeVar("T")

_LOG_IDLE_SECONDS: Final = 3600.0
"""A bot may log nothing for as long as its caller is silent."""

_NOT_FOUND: Final = 404
_MOST_CONFLICTS: Final = 4
"""How often a write finds a Job changed before it is given up, for the caller to try again later."""


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
        query = DRY_RUN if dry_run else None
        return await self.api.read("POST", self.jobs, Job, query=query, body=manifest)

    async def create_secret(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> None:
        query = DRY_RUN if dry_run else None
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

    async def patch_config_map(self, name: str, version: str, patch: Mapping[str, Any]) -> str:
        """Change a ConfigMap that is still of this version. Return its next version.

        Raises:
            ApiRefused: with `is_conflict` if somebody else has changed it.
        """
        metadata = {**patch.get("metadata", {}), "resourceVersion": version}
        changed = await self.api.read(
            "PATCH", f"{self.config_maps}/{name}", ConfigMap, body={**patch, "metadata": metadata}
        )
        return changed.metadata.resource_version

    async def find_job(self, name: str) -> Job | None:
        return await self._find(f"{self.jobs}/{name}", Job)

    async def find_own_job(self, name: str, launch_id: str) -> Job | None:
        """Return the Job of a launch; not another Job of the same name."""
        job = await self.find_job(name)
        return job if job is not None and launch_of(job.metadata) == launch_id else None

    async def patch_job(
        self, job: Job, patch: Mapping[str, Any], *, unless: Callable[[Job], bool]
    ) -> Job | None:
        """Change a Job. If it is not as it was seen, read it and decide again.

        Args:
            job: as it was seen last.
            patch: a merge patch of its metadata, and perhaps more.
            unless: returns whether a state of the Job rules the change out.

        Returns:
            The Job as it is now, changed or ruled out. None if it is gone, or another one has its name.
        """

        async def write(seen: Job) -> Job:
            return await self.patch_job_as_seen(seen, patch)

        return await self._write_to_current(job, write, unless)

    async def patch_job_as_seen(self, job: Job, patch: Mapping[str, Any]) -> Job:
        """Change a Job that is exactly as it was seen, with one request. Return it as it is then.

        Raises:
            ApiRefused: with `is_conflict` if it has changed, or another one has its name.
        """
        body = {**patch, "metadata": {**patch["metadata"], **_conditions(job.metadata)}}
        return await self.api.read("PATCH", f"{self.jobs}/{job.metadata.name}", Job, body=body)

    async def delete_job(self, job: Job, *, unless: Callable[[Job], bool] | None = None) -> None:
        """Delete a Job with everything it owns, unless its state rules that out. See `patch_job`.

        If it is gone, another Job of its name is left alone.
        """

        async def write(seen: Job) -> None:
            body = {"propagationPolicy": "Background", "preconditions": _conditions(seen.metadata)}
            await self.api.request("DELETE", f"{self.jobs}/{seen.metadata.name}", body=body)

        await self._write_to_current(job, write, unless or (lambda _: False))

    async def patch_pod(self, pod: Pod, metadata: Mapping[str, Any]) -> None:
        """Add labels and annotations to a pod, in whatever state it is.

        Raises:
            ApiRefused: also if another pod has its name.
        """
        body = {"metadata": {**metadata, "uid": pod.metadata.uid}}
        await self.api.request("PATCH", f"{self.pods}/{pod.metadata.name}", body=body)

    async def delete_pod(self, pod: Pod) -> None:
        """Ask a pod to end, in whatever state it is.

        Raises:
            ApiRefused: with `is_conflict` if another pod has its name.
        """
        await self._delete_pod(pod, {"preconditions": {"uid": pod.metadata.uid}})

    async def forget_pod(self, pod: Pod) -> None:
        """Remove a pod without waiting for its node, which has reported nothing since the pod was seen.

        Raises:
            ApiRefused: with `is_conflict` if the pod has changed, or another one has its name.
        """
        await self._delete_pod(pod, {"gracePeriodSeconds": 0, "preconditions": _conditions(pod.metadata)})

    async def _delete_pod(self, pod: Pod, body: Mapping[str, Any]) -> None:
        await self._delete(f"{self.pods}/{pod.metadata.name}", body)

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

    async def _write_to_current(
        self, job: Job, write: Callable[[Job], Awaitable[Job | None]], unless: Callable[[Job], bool]
    ) -> Job | None:
        """Make a write that a conflict refuses if the Job has changed, until none does. See `patch_job`."""
        current: Job | None = job
        conflicts = 0
        while current is not None and current.metadata.uid == job.metadata.uid:
            if unless(current):
                return current
            try:
                return await write(current)
            except ApiRefused as error:
                if error.status == _NOT_FOUND:
                    return None
                if not error.is_conflict or conflicts == _MOST_CONFLICTS:
                    raise
            conflicts += 1
            current = await self.find_job(job.metadata.name)
        return None

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
            if error.status != _NOT_FOUND:
                raise


def _conditions(seen: Meta) -> dict[str, str]:
    """Return what makes a write a conflict if the object is another one, or has changed since it was seen."""
    return {"uid": seen.uid, "resourceVersion": seen.resource_version}
