"""What a bot's exit says, read off a kubelet's own account of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio

from testing.node.cases import Outcomes, play_all
from testing.node.node_cluster import NodeCluster
from testing.node.shells import shell_bot
from testing.node.site import NodeSite, own_site


@dataclass(frozen=True)
class Case:
    """A bot, whose name says what it does, and how its session has to end."""

    name: str
    reason: str
    said: str


CASES: Final = [
    Case("exit-0", "vanished", "exited with code 0 without a final report"),
    Case("exit-1", "crashed", "exited with code 1"),
    Case("exit-2", "crashed", "exited with code 2"),
    Case("exit-64", "config_invalid", "invalid"),
    Case("exit-65", "room_refused", "refused the bot"),
    Case("exit-66", "room_lost", "lost its connection to the room"),
    Case("exit-67", "model_refused", "refused the bot"),
    Case("exit-68", "model_unreachable", "could not reach the model"),
    Case("exit-69", "model_lost", "lost its connection to the model"),
    # Outgrows its memory, which is not the same as being killed.
    Case("glutton", "out_of_memory", "Raise its memory limit"),
    # Fills its disk.
    Case("hoarder", "evicted", 'EmptyDir volume "tmp"'),
]


@dataclass(frozen=True)
class Ended:
    """A session's end, as the controller answers it and as it is on the Job."""

    reason: str
    message: str
    recorded: tuple[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ends(installed: NodeCluster) -> Outcomes[Ended]:
    """All cases, played at the same time."""
    async with own_site(installed, "exit-codes", shell_bot) as site:
        return await play_all({case.name: play(site, case.name) for case in CASES})


async def play(site: NodeSite, name: str) -> Ended:
    await site.start(session_id=name)
    session = await site.until_over(name)
    return Ended(session["reason"], session["message"], await site.recorded(name))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_how_a_bots_process_ends_is_its_reason(ends: Outcomes[Ended], case: Case) -> None:
    ended = ends.result(case.name)

    assert ended.reason == case.reason
    assert case.said in ended.message
    assert ended.recorded == (ended.reason, ended.message)
