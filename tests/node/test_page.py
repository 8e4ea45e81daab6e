"""A spoken call from the page of the installed site: a browser outside, LiveKit, and a bot in a pod."""

from __future__ import annotations

from pathlib import Path

from testing.callers.browsing import opened, speaking
from testing.callers.example_page import find_and_save, hang_up, start_talking
from testing.node.rooms import ROOMS, rooms_left
from testing.node.site import NodeSite

PAGE = "http://localhost:30300"
"""A port of the nodes, which scripts/kind-up maps to a person's own machine."""


async def test_a_person_at_the_page_talks_to_a_bot_in_a_pod(
    site: NodeSite, chromium: Path, recording: Path
) -> None:
    async with opened(PAGE, chromium, speaking(recording), partners=(ROOMS,)) as page:
        session_id, _ = await start_talking(page)
        [pod] = await site.pods(session_id)
        await find_and_save(page)
        await hang_up(page)

    session = await site.until_over(session_id)
    print(*(f"{moment}  {stage}" for stage, moment in session["timeline"].items()), sep="\n")  # noqa: T201
    assert pod["status"]["phase"] == "Running"
    assert (session["reason"], session["room"]["provider"]) == ("caller_left", "livekit")
    assert session["usage"]["tool_calls"].keys() == {"search_products", "save_product"}
    assert None not in session["timeline"].values()
    assert (await site.recorded(session_id))[0] == "caller_left"
    await site.cluster.until_no_stray_runs()
    assert await rooms_left(site.cluster) == []
