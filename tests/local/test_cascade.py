"""The cascaded example in Pipecat's own runner: OpenAI's services, the sandbox, and a caller who speaks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.callers.errands import says_until_answered
from testing.callers.pipecat_runner import pipecat_runner
from testing.processes import ROOT, Sandbox

BOT = ROOT / "examples" / "agents" / "cascade" / "bot.py"
PROJECT = "cascade-example"


@pytest.fixture(scope="module")
def bot_url(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    variables = {name: sandbox.variables[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
    directory = tmp_path_factory.mktemp("cascade")
    with pipecat_runner(BOT, directory, {**variables, "OPENAI_PROJECT_ID": PROJECT}) as runner:
        yield runner.url


async def requests_of(store: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return what the example asked of OpenAI."""
    answer = (await store.get("/sandbox/openai")).json()
    return [asked for asked in answer["requests"] if asked["project"] == PROJECT]


async def order(store: httpx.AsyncClient, name: str, **parameters: Any) -> None:
    """Order a misbehaviour towards the example alone."""
    body = {"target": "openai", "project": PROJECT, "name": name, **parameters}
    assert (await store.post("/sandbox/behaviour", json=body)).status_code == 200


async def test_a_caller_searches_barges_in_saves_and_says_goodbye(
    bot_url: str, voice: Voice, store: httpx.AsyncClient
) -> None:
    """OpenAI refuses two requests on the way, which its client repeats: the caller only waits longer."""
    async with calling(bot_url, voice) as (caller, _):
        await caller.bot_says("What are you looking for?")
        await caller.bot_quiet()
        await says_until_answered(caller, "find running shoes", "I found 2 products.")
        # The list is still being read.
        await says_until_answered(caller, "save product two", "Saved number 2, Trail running shoes.")
        await caller.bot_quiet()
        await order(store, "rate_limit", endpoint="transcriptions", retry_after_seconds=0.2)
        await order(store, "status", endpoint="completions", status=503)
        await says_until_answered(caller, "thank you goodbye", "Thank you for calling. Goodbye!")
        await caller.bot_leaves()
        turns = caller.bot_turns()

    asked = await requests_of(store)
    assert {each["endpoint"] for each in asked} == {"completions", "transcriptions", "speech"}
    called = [name for each in asked for name in each["tool_calls"]]
    assert list(dict.fromkeys(called)) == ["search_products", "save_product", "end_call"]
    assert [each["status"] for each in asked if each["ending"] == "refused"] == [429, 503]
    assert not any("Say save and the number" in turn for turn in turns)
    assert all(
        each["usage"] for each in asked if each["endpoint"] != "speech" and each["ending"] == "answered"
    )


def test_it_is_a_project_of_its_own() -> None:
    """What a user copies is there, and names nothing of ours."""
    files = {path.name: path.read_text() for path in Path(BOT).parent.iterdir() if path.is_file()}
    assert files.keys() >= {"bot.py", "pcc-deploy.toml", "podline.toml", "pyproject.toml", "README.md"}
    assert "podline" not in files["bot.py"].lower()
