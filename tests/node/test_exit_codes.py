"""What a bot's exit says, read off a kubelet's own account of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.shells import shell_bot
from testing.node.site import NodeSite, own_site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(installed: NodeCluster) -> AsyncIterator[str]:
    async with own_site(installed, "exit-codes", shell_bot) as own:
        yield own.namespace


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        (0, "vanished", "exited with code 0 without a final report"),
        (1, "crashed", "exited with code 1"),
        (2, "crashed", "exited with code 2"),
        (64, "config_invalid", "invalid"),
        (65, "room_refused", "refused the bot"),
        (66, "room_lost", "lost its connection to the room"),
        (67, "model_refused", "refused the bot"),
        (68, "model_unreachable", "could not reach the model"),
        (69, "model_lost", "lost its connection to the model"),
    ],
)
async def test_an_exit_code_is_its_reason(site: NodeSite, code: int, reason: str, said: str) -> None:
    name = f"exit-{code}"
    await site.start(session_id=name)

    session = await site.until_over(name)

    assert session["reason"] == reason
    assert said in session["message"]
    assert await site.recorded(name) == (reason, session["message"])


async def test_a_bot_that_outgrows_its_memory_is_told_from_one_that_was_killed(site: NodeSite) -> None:
    await site.start(session_id="glutton")

    session = await site.until_over("glutton")

    assert session["reason"] == "out_of_memory"
    assert "Raise its memory limit" in session["message"]


async def test_a_bot_that_fills_its_disk_is_evicted_and_the_sentence_names_the_volume(
    site: NodeSite,
) -> None:
    await site.start(session_id="hoarder")

    session = await site.until_over("hoarder")

    assert session["reason"] == "evicted"
    assert 'EmptyDir volume "tmp"' in session["message"]
