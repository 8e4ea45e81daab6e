"""How the bot's own image ends in a pod: what it says of itself arrives."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite, bot_of, own_site

SETTINGS = {"PODLINE_SILENCE_SECONDS": "8"}


def impatient(job: dict[str, Any]) -> None:
    bot_of(job)["env"] = [{"name": "PODLINE_NO_CALLER_SECONDS", "value": "12"}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespace(installed: NodeCluster) -> AsyncIterator[str]:
    async with own_site(installed, "bots", impatient, SETTINGS) as own:
        yield own.namespace


async def test_a_bot_that_is_stopped_says_goodbye_and_is_gone(site: NodeSite) -> None:
    await site.live("stopped")

    await site.stop("stopped")
    session = await site.until_over("stopped")

    assert (session["reason"], session["usage"]["partial"]) == ("stopped", False)


async def test_a_bot_whose_caller_never_comes_leaves(site: NodeSite) -> None:
    await site.live("lonely")

    session = await site.until_over("lonely")

    assert session["reason"] == "no_caller"
    assert "within 12 seconds" in session["message"]


async def test_a_bot_leaves_when_the_time_of_its_session_is_up(site: NodeSite) -> None:
    await site.live("brief", max_duration_seconds=5)

    assert (await site.until_over("brief"))["reason"] == "max_duration"


async def test_a_bot_that_is_frozen_is_ended_as_unresponsive(site: NodeSite) -> None:
    pod = await site.live("frozen")

    for pid in bot_processes(site, pod):
        os.kill(pid, signal.SIGSTOP)
    session = await site.until_over("frozen")

    assert session["reason"] == "unresponsive"
    assert "became unresponsive" in session["message"]


async def test_a_bot_that_is_killed_on_its_node_has_vanished(site: NodeSite) -> None:
    pod = await site.live("killed")

    for pid in bot_processes(site, pod):
        os.kill(pid, signal.SIGKILL)

    assert (await site.until_over("killed"))["reason"] == "vanished"


async def test_a_bot_that_is_told_to_go_by_somebody_else_has_vanished(site: NodeSite) -> None:
    pod = await site.live("reported")

    for pid in bot_processes(site, pod):
        os.kill(pid, signal.SIGTERM)
    session = await site.until_over("reported")

    assert (session["reason"], session["usage"]["partial"]) == ("vanished", False)


async def test_a_wrong_variable_is_named_by_the_bot(installed: NodeCluster) -> None:
    def wrong_store(job: dict[str, Any]) -> None:
        bot_of(job)["env"] = [{"name": "CONVEX_URL", "value": "no address"}]

    async with own_site(installed, "wrong-variable", wrong_store) as site:
        await site.start(session_id="one")
        session = await site.until_over("one")

    assert session["reason"] == "config_invalid"
    assert "CONVEX_URL" in session["message"]


def bot_processes(site: NodeSite, pod: dict[str, Any]) -> list[int]:
    """Of the bot itself: neither what holds its network, nor its first process."""
    return [
        pid
        for pid in site.processes(pod)
        if b"podline.runner" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
