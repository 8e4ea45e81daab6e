"""How the bot's own image ends in a pod: what it says of itself arrives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from testing.node.cases import Outcomes, play_all
from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite, bot_of, own_site

SETTINGS = {"PODLINE_SILENCE_SECONDS": "8"}
AT_ONCE = 3
"""More would start so slowly on two cores that the controller takes them for silent."""

Session = dict[str, Any]


def impatient(job: dict[str, Any]) -> None:
    bot_of(job)["env"] = [{"name": "PODLINE_NO_CALLER_SECONDS", "value": "12"}]


def wrong_store(job: dict[str, Any]) -> None:
    bot_of(job)["env"] = [{"name": "CONVEX_URL", "value": "no address"}]


async def is_stopped(site: NodeSite, name: str) -> None:
    await site.live(name)
    await site.stop(name)


async def has_no_caller(site: NodeSite, name: str) -> None:
    await site.live(name)


async def has_five_seconds(site: NodeSite, name: str) -> None:
    await site.live(name, max_duration_seconds=5)


def gets(number: signal.Signals) -> Callable[[NodeSite, str], Awaitable[None]]:
    """Return what sends the bot a signal on its node."""

    async def is_sent(site: NodeSite, name: str) -> None:
        pod = await site.live(name)
        for pid in bot_processes(site, pod):
            os.kill(pid, number)

    return is_sent


@dataclass(frozen=True)
class Case:
    """What happens to a bot, and how its session has to end; `is_partial` is its usage's, if it matters."""

    name: str
    happens: Callable[[NodeSite, str], Awaitable[None]]
    reason: str
    said: str = ""
    is_partial: bool | None = None


CASES: Final = [
    Case("stopped", is_stopped, "stopped", is_partial=False),
    Case("lonely", has_no_caller, "no_caller", "within 12 seconds"),
    Case("brief", has_five_seconds, "max_duration"),
    Case("frozen", gets(signal.SIGSTOP), "unresponsive", "became unresponsive"),
    Case("killed", gets(signal.SIGKILL), "vanished"),
    # By somebody else than the controller.
    Case("terminated", gets(signal.SIGTERM), "vanished", is_partial=False),
]
MISCONFIGURED: Final = "misconfigured"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ends(installed: NodeCluster) -> Outcomes[Session]:
    """The sessions of all cases at their end, and that of a bot with a wrong variable."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def play(site: NodeSite, case: Case) -> Session:
        async with turns:
            await case.happens(site, case.name)
            return await site.until_over(case.name)

    async with own_site(installed, "bots", impatient, SETTINGS) as site:
        return await play_all(
            {**{case.name: play(site, case) for case in CASES}, MISCONFIGURED: misconfigured(installed)}
        )


async def misconfigured(installed: NodeCluster) -> Session:
    async with own_site(installed, "wrong-variable", wrong_store) as site:
        await site.start(session_id="one")
        return await site.until_over("one")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_happens_to_a_bot_in_a_pod_is_its_reason(ends: Outcomes[Session], case: Case) -> None:
    session = ends.result(case.name)

    assert session["reason"] == case.reason
    assert case.said in session["message"]
    assert case.is_partial in (None, session["usage"]["partial"])


def test_a_wrong_variable_is_named_by_the_bot(ends: Outcomes[Session]) -> None:
    session = ends.result(MISCONFIGURED)

    assert session["reason"] == "config_invalid"
    assert "CONVEX_URL" in session["message"]


def bot_processes(site: NodeSite, pod: dict[str, Any]) -> list[int]:
    """Of the bot itself: neither what holds its network, nor its first process."""
    return [
        pid
        for pid in site.processes(pod)
        if b"podline.runner" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
