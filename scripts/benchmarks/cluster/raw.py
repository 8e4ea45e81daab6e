"""The API server, asked with aiohttp and nothing else: what any controller's requests cost at the least."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import msgspec

from controller.core.runtime import Launch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.manifests import session_secret
from testing.cluster.paths import NamespacePaths

PAGE_ITEMS: Final = 500
MERGE_PATCH: Final = "application/merge-patch+json"


class ApiAccess(msgspec.Struct, NamespacePaths, frozen=True):
    """Where an API server is, and what it lets us in by; also as one argument of a program."""

    url: str
    token: str
    authority: str
    namespace: str


class _Meta(msgspec.Struct):
    uid: str


class _Made(msgspec.Struct):
    metadata: _Meta


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] = []


@dataclass
class Raw:
    """A client of one API server. Use it while its `async with` lasts."""

    access: ApiAccess
    connections: int = 100

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self.access.authority)
        self.http = aiohttp.ClientSession(
            self.access.url,
            connector=aiohttp.TCPConnector(limit=self.connections, ssl=context),
            headers={"Authorization": f"Bearer {self.access.token}", "Accept": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def send(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> bytes:
        """Make one request; raise if it is refused."""
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Content-Type": content_type}
        async with self.http.request(method, path, data=data, headers=headers) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
            return content

    async def pages(self, path: str) -> AsyncIterator[tuple[list[msgspec.Raw], str]]:
        """Each page of a list, its items not yet decoded, and the list's version."""
        query = {"labelSelector": names.LAUNCH_ID, "limit": str(PAGE_ITEMS)}
        while True:
            async with self.http.get(path, params=query) as answer:
                page = msgspec.json.decode(await answer.read(), type=_Page)
            yield page.items, page.metadata.resource_version
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_


async def write_two(raw: Raw, launch: Launch, job: bytes) -> None:
    """What a start comes to: the Job, then the Secret it owns."""
    answer = msgspec.json.decode(await raw.send("POST", raw.access.jobs, job), type=_Made)
    await raw.send("POST", raw.access.secrets, session_secret(launch, answer.metadata.uid))
