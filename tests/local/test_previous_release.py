"""Bots of the previous release with this controller, and bots of this one with the previous controller."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.builds.checkouts import OURS, Checkout
from testing.builds.previous_release import ensure_previous_release
from testing.processes import Sandbox, bots_of, ended_session, eventually, variable_of
from tests.local.conftest import PROGRAMS, serving

MOMENTS = ["accepted", "launched", "process_up", "joined", "caller_joined", "first_speech", "ended"]


def agents_of(checkout: Checkout, directory: Path) -> Path:
    """A directory of agents, in which a release's assistant runs in that release's runner."""
    home = directory / "shopping"
    home.mkdir()
    python = home / "python"
    of_release = " ".join(f"{name}={shlex.quote(value)}" for name, value in checkout.variables.items())
    python.write_text(f'#!/bin/sh\n{of_release} exec {shlex.quote(str(checkout.python))} "$@"\n')
    python.chmod(0o755)
    (home / "bot.py").symlink_to(checkout.tree / "bot" / "bot.py")
    (home / "pcc-deploy.toml").write_text('agent_name = "shopping"\n')
    (home / "podline.toml").write_text('python = "./python"\n')
    return directory


@pytest.mark.parametrize(
    ("of_controller", "of_bots"),
    [(lambda: OURS, ensure_previous_release), (ensure_previous_release, lambda: OURS)],
    ids=["former bots", "former controller"],
)
async def test_a_call_is_answered_counted_and_stopped(
    sandbox: Sandbox,
    voice: Voice,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    of_controller: Callable[[], Checkout],
    of_bots: Callable[[], Checkout],
) -> None:
    """All that both say to each other: offer and answer, reports, a stop, and the final report."""
    controller, bots = of_controller(), of_bots()
    variables = {"PODLINE_AGENTS": str(agents_of(bots, tmp_path)), **controller.variables}
    with serving(sandbox, tmp_path, pytestconfig.stash[PROGRAMS], variables) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            async with calling(url, voice, user_id="ana") as (caller, session_id):
                assert session_id is not None
                await caller.hears_bot()
                await caller.bot_quiet()
                await caller.say("find running shoes under one hundred dollars")
                await caller.message(lambda message: message.is_server_message("products_found"))
                await caller.hears_bot()
                await caller.bot_quiet()
                paths = {variable_of(each, "PYTHONPATH") for each in bots_of(session_id)}
                await client.delete(f"/v1/sessions/{session_id}")
                await caller.bot_leaves()
            session = await eventually(lambda: ended_session(client, session_id), "the session's end")

    assert paths == {str(bots.tree)}
    assert session["reason"] == "stopped"
    moments = [session["timeline"][moment] for moment in MOMENTS]
    assert moments == sorted(moments)
    usage = session["usage"]
    assert (usage["turns"], usage["partial"]) == (1, False)
    assert usage["tool_calls"] == {"search_products": {"ok": 1, "error": 0}}
    [tokens] = usage["models"].values()
    assert tokens["input_audio_tokens"] > 0
    assert tokens["output_audio_tokens"] > 0
