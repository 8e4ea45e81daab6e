"""A program that lists Jobs and pods in pages and does nothing with them: the least a start can take.

`python -m scripts.benchmarks.cluster.bare_list DOOR` prints JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec

from controller.runtimes.kubernetes.client.objects import Job, Pod
from scripts.benchmarks.cluster.raw import ApiAccess, Raw


class ListingTimes(msgspec.Struct):
    """When all was imported and all was listed, on the machine's monotonic clock; and how many there were."""

    imported: float
    listed: float
    jobs: int
    pods: int


async def count(raw: Raw, path: str, kind: type[Job | Pod]) -> int:
    """As many as there are, each decoded and kept."""
    decode = msgspec.json.Decoder(kind).decode
    found = []
    async for items, _ in raw.pages(path):
        found += [decode(item) for item in items]
    return len(found)


async def main(access: ApiAccess) -> None:
    imported = time.monotonic()
    async with Raw(access) as raw:
        # At one time, as a controller does it.
        jobs, pods = await asyncio.gather(count(raw, access.jobs, Job), count(raw, access.pods, Pod))
    listed = ListingTimes(imported, time.monotonic(), jobs, pods)
    sys.stdout.write(msgspec.json.encode(listed).decode())


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=ApiAccess)))
