"""A spoken call whose bot is a pod that the controller in the cluster has launched."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.caller import calling
from sandbox.voice import Voice
from scripts.site.calling import make_call
from scripts.site.kubectl import Kubectl
from testing.node.node_cluster import NodeCluster
from testing.node.site import NodeSite
from testing.node.talking import ask

STAGES = [
    "accepted",
    "launched",
    "scheduled",
    "process_up",
    "joined",
    "caller_joined",
    "first_speech",
    "ended",
]


async def test_a_caller_outside_is_greeted_and_finds_and_saves(site: NodeSite, voice: Voice) -> None:
    async with calling(site.url, voice, user_id="ana", key=site.key) as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()
        found = await ask(caller, "find running shoes under one hundred dollars")
        await caller.say("save product two")
        await caller.message(lambda message: message.is_server_message("product_saved"))

    session = await site.until_over(session_id)
    assert (session["reason"], session["user_id"]) == ("caller_left", "ana")
    assert found.data["query"] == "running shoes"
    assert session["usage"]["turns"] == 2
    moments = [session["timeline"][stage] for stage in STAGES]
    assert moments == sorted(moments)


async def test_the_scripted_caller_in_the_cluster_calls_and_its_timeline_is_printed(
    installed: NodeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(make_call, Kubectl.of(installed.binaries["kubectl"], installed.kubeconfig))

    said = capsys.readouterr().out
    assert "ended as caller_left" in said
    assert all(stage in said for stage in STAGES)
