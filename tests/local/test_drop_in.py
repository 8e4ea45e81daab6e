"""A project of `pipecat init` in Pipecat's own runner, with one import line changed: `podline.gemini`.

Its own voice detection is taken out, because turns that only the model's server detects are harder to follow.
"""

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


async def test_the_bot_answers_what_is_said_and_typed_also_when_its_model_is_lost(
    sandbox: Sandbox, store: httpx.AsyncClient, tmp_path: Path, voice: Voice
) -> None:
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
