"""What a fresh install declares is what its assistant uses."""

from typing import cast

from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService

from bot.store import Store
from bot.tools.products import ProductTools
from controller.core import default_agent
from podline.end_call import end_call


async def _nothing(*_: object) -> None:
    """Ignores whatever it receives."""


def test_its_tools_are_the_declared_ones() -> None:
    tools = ProductTools(cast("Store", None), "ana", _nothing)  # asked for nothing here
    assert {*(tool.name for tool in tools.functions), end_call.__name__} == set(default_agent.TOOLS)


def test_its_model_is_pipecats_default() -> None:
    service = GeminiLiveLLMService(api_key="a-key")
    assert str(vars(service._settings)["model"]).removeprefix("models/") in default_agent.MODELS
