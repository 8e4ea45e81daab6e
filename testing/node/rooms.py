"""LiveKit's server on the test nodes, as those outside reach it, and a site whose callers meet there."""

from __future__ import annotations

import asyncio
from typing import Final

from livekit.api import ListRoomsRequest, LiveKitAPI

from testing.node.node_cluster import NodeCluster
from testing.node.site import OVERLAY_NAMESPACE, secret_values

ROOMS: Final = "http://localhost:30780"
"""A port of the nodes, which scripts/kind-up maps to a person's own machine."""


async def account(cluster: NodeCluster) -> dict[str, str]:
    """LiveKit's key and secret, and where callers reach it, by the names of the controller's variables."""
    return await secret_values(cluster, "podline-livekit")


async def meeting_there(cluster: NodeCluster) -> dict[str, str]:
    """Settings of a controller elsewhere that uses the overlay's server, for callers without a key."""
    return {
        "PODLINE_PUBLIC_START": "true",
        "PODLINE_PUBLIC_STARTS_PER_MINUTE": "1000",
        "PODLINE_ROOMS": "livekit",
        "LIVEKIT_URL": f"ws://podline-livekit.{OVERLAY_NAMESPACE}:7880",
        **await account(cluster),
    }


async def rooms_left(cluster: NodeCluster) -> list[str]:
    """Names of the rooms there are, once controllers have had the time to close theirs."""
    known = await account(cluster)
    async with LiveKitAPI(ROOMS, known["LIVEKIT_API_KEY"], known["LIVEKIT_API_SECRET"]) as livekit:
        names: list[str] = []
        for _ in range(50):
            names = [room.name for room in (await livekit.room.list_rooms(ListRoomsRequest())).rooms]
            if not names:
                break
            await asyncio.sleep(0.1)  # seen from outside only
        return names
