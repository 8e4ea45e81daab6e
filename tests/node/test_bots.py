"""How the bot's own image ends in a pod: what it says of itself arrives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite, bot_of, own_site

SETTINGS = {"PODLINE_SILENCE_SECONDS": "8"}
AT_ONCE = 3
"""More would start so slowly on two cores that the controller takes them for silent."""


def impatient(job: dict[str, Any]) -> None:
    bot_of(job)["env"] = [{"name": "PODLINE_NO_CALLER_SECONDS", "value": "12"}]


def wrong_store(job: dict[str, Any]) -> None:
    bot_of(job)["env"] = [{"name": "CONVEX_URL", "value": "no address"}]


Play = Callable[[NodeSite], Awaitable[dict[str, Any]]]
"""What happens to a bot, named as its session is; returns the session's end."""


async def stopped(site: NodeSite) -> dict[str, Any]:
    await site.live("stopped")
    await site.stop("stopped")
    return await site.until_over("stopped")


async def lonely(site: NodeSite) -> dict[str, Any]:
    await site.live("lonely")
    return await site.until_over("lonely")


async def brief(site: NodeSite) -> dict[str, Any]:
    await site.live("brief", max_duration_seconds=5)
    return await site.until_over("brief")


async def frozen(site: NodeSite) -> dict[str, Any]:
    return await signalled(site, "frozen", signal.SIGSTOP)


async def killed(site: NodeSite) -> dict[str, Any]:
    return await signalled(site, "killed", signal.SIGKILL)


async def terminated(site: NodeSite) -> dict[str, Any]:
    return await signalled(site, "terminated", signal.SIGTERM)


async def signalled(site: NodeSite, name: str, number: signal.Signals) -> dict[str, Any]:
    pod = await site.live(name)
    for pid in bot_processes(site, pod):
        os.kill(pid, number)
    return await site.until_over(name)


async def misconfigured(installed: NodeCluster) -> dict[str, Any]:
    async with own_site(installed, "wrong-variable", wrong_store) as site:
        await site.start(session_id="one")
        return await site.until_over("one")


PLAYS: Final[tuple[Play, ...]] = (stopped, lonely, brief, frozen, killed, terminated)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ends(installed: NodeCluster) -> dict[str, dict[str, Any] | BaseException]:
    """How all of them ended, played a few at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(site: NodeSite, play: Play) -> dict[str, Any]:
        async with turns:
            return await play(site)

    async def in_pods() -> list[dict[str, Any] | BaseException]:
        async with own_site(installed, "bots", impatient, SETTINGS) as site:
            return await asyncio.gather(*(in_turn(site, play) for play in PLAYS), return_exceptions=True)

    played, wrong = await asyncio.gather(in_pods(), misconfigured(installed), return_exceptions=True)
    if isinstance(played, BaseException):
        raise played
    return {play.__name__: end for play, end in zip((*PLAYS, misconfigured), (*played, wrong), strict=True)}


@pytest.fixture
def ended(ends: dict[str, dict[str, Any] | BaseException], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The end of the session that the test names."""
    found = ends[request.param.__name__]
    if isinstance(found, BaseException):
        raise found
    return found


def of(play: Callable[..., Awaitable[dict[str, Any]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ended", [play], indirect=True, ids=[play.__name__])


@of(stopped)
def test_a_bot_that_is_stopped_says_goodbye_and_is_gone(ended: dict[str, Any]) -> None:
    assert (ended["reason"], ended["usage"]["partial"]) == ("stopped", False)


@of(lonely)
def test_a_bot_whose_caller_never_comes_leaves(ended: dict[str, Any]) -> None:
    assert ended["reason"] == "no_caller"
    assert "within 12 seconds" in ended["message"]


@of(brief)
def test_a_bot_leaves_when_the_time_of_its_session_is_up(ended: dict[str, Any]) -> None:
    assert ended["reason"] == "max_duration"


@of(frozen)
def test_a_bot_that_is_frozen_is_ended_as_unresponsive(ended: dict[str, Any]) -> None:
    assert ended["reason"] == "unresponsive"
    assert "became unresponsive" in ended["message"]


@of(killed)
def test_a_bot_that_is_killed_on_its_node_has_vanished(ended: dict[str, Any]) -> None:
    assert ended["reason"] == "vanished"


@of(terminated)
def test_a_bot_that_is_told_to_go_by_somebody_else_has_vanished(ended: dict[str, Any]) -> None:
    assert (ended["reason"], ended["usage"]["partial"]) == ("vanished", False)


@of(misconfigured)
def test_a_wrong_variable_is_named_by_the_bot(ended: dict[str, Any]) -> None:
    assert ended["reason"] == "config_invalid"
    assert "CONVEX_URL" in ended["message"]


def bot_processes(site: NodeSite, pod: dict[str, Any]) -> list[int]:
    """Of the bot itself: neither what holds its network, nor its first process."""
    return [
        pid
        for pid in site.processes(pod)
        if b"podline.runner" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
