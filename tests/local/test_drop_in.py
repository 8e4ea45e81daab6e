"""What Podline gives to bots works in Pipecat's own runner too."""

from __future__ import annotations

from pathlib import Path

import httpx

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.callers.pipecat_runner import pipecat_runner
from testing.processes import ROOT, Sandbox
from testing.projects.generated import REALTIME, generate

PIPECATS = "from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService"
OURS = "from podline.gemini import GeminiLiveLLMService"
LOCAL_DETECTION = "user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),"


async def test_a_project_of_pipecat_init_with_one_import_line_changed_answers_though_its_model_is_lost(
    sandbox: Sandbox, store: httpx.AsyncClient, tmp_path: Path, voice: Voice
) -> None:
    """Its own voice detection is taken out: turns that only the model's server detects are harder to see."""
    server = generate(REALTIME, tmp_path, sandbox.variables)
    bot = server / "bot.py"
    source = bot.read_text()
    assert PIPECATS in source
    assert LOCAL_DETECTION in source
    bot.write_text(source.replace(PIPECATS, OURS).replace(LOCAL_DETECTION, ""))

    with pipecat_runner(bot, tmp_path, {"PYTHONPATH": str(ROOT)}) as runner:
        async with calling(runner.url, voice) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()

            caller.write("say “Still here.”")
            await caller.bot_says("Still here.")
            await caller.bot_quiet()

            order = {"target": "model", "now": True, "name": "drop", "after": "turn_start"}
            (await store.post("/sandbox/behaviour", json=order)).raise_for_status()
            asked = await caller.say("what time is it")
            await caller.hears_bot(since=asked)
            assert runner.program.said().count("model connected") > 1, runner.program.said()


async def test_the_shopping_assistant_runs_there(sandbox: Sandbox, tmp_path: Path, voice: Voice) -> None:
    with pipecat_runner("bot.bot", tmp_path, {**sandbox.variables, "PYTHONPATH": str(ROOT)}) as runner:
        async with calling(runner.url, voice) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()

            caller.write("find running shoes")
            await caller.hears_bot()
            assert "Calling function [search_products" in runner.program.said()
