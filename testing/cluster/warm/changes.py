"""Every change of a cluster's objects, as any client sees it: listed, then watched, and listed again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx

from testing.cluster.control_plane import ControlPlane

LAUNCHES: Final = "podline.dev/launch-id,!podline.dev/dry-start"
_PAUSE_SECONDS: Final = 0.1
_WATCH_SECONDS: Final = 60


@dataclass(frozen=True)
class ObjectChange:
    """An object as it is, or as it was when it was deleted."""

    thing: dict[str, Any]
    is_gone: bool = False


async def changes(plane: ControlPlane, path: str) -> AsyncGenerator[ObjectChange, None]:
    """Yield what happens to the launches' objects of this list, however often the API server goes away."""
    known: dict[str, dict[str, Any]] = {}
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    limit = httpx.Timeout(5, read=_WATCH_SECONDS + 5)
    async with httpx.AsyncClient(
        base_url=plane.url, verify=plane.ssl_context(), headers=headers, timeout=limit
    ) as client:
        while True:
            with suppress(httpx.HTTPError):
                answer = await client.get(path, params={"labelSelector": LAUNCHES})
                listed = answer.raise_for_status().json()
                found = {each["metadata"]["uid"]: each for each in listed["items"]}
                for uid in known.keys() - found.keys():
                    yield ObjectChange(known.pop(uid), is_gone=True)
                for uid, thing in found.items():
                    known[uid] = thing
                    yield ObjectChange(thing)
                query = {
                    "labelSelector": LAUNCHES,
                    "watch": "1",
                    "resourceVersion": listed["metadata"]["resourceVersion"],
                    "timeoutSeconds": str(_WATCH_SECONDS),
                }
                async with client.stream("GET", path, params=query) as watch:
                    async for line in watch.aiter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        thing = event["object"]
                        uid = thing["metadata"]["uid"]
                        if event["type"] == "DELETED":
                            known.pop(uid, None)
                        else:
                            known[uid] = thing
                        yield ObjectChange(thing, is_gone=event["type"] == "DELETED")
            await asyncio.sleep(_PAUSE_SECONDS)
