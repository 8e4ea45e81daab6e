"""A call's tools, called as the model calls them, and what model and page get."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from pipecat.services.llm_service import FunctionCallParams

from bot.store import Store, StoreTimeouts
from bot.tools.products import ProductTools
from podline.frames import ModelNoteFrame

QUICK = StoreTimeouts(connect=2.0, total=2.0, pauses=(0.01, 0.01))


class Call:
    """A call's tools, called as the model calls them, and what its page has received."""

    def __init__(self, store: Store, user_id: str = "ana", answer_within: float = 8.0) -> None:
        self.announced: list[dict[str, Any]] = []
        self.model = NotedModel()
        self.tools = ProductTools(store, user_id, self._announce, answer_within=answer_within)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Call a tool and return what the model gets."""
        [function] = [one for one in self.tools.functions if one.name == name]
        assert function.handler is not None
        return await result_of(function.handler, arguments, self.model)

    async def _announce(self, message: dict[str, Any]) -> None:
        self.announced.append(message)


class NotedModel:
    """A model's service, as far as a tool that reports late knows it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def queue_frame(self, frame: ModelNoteFrame) -> None:
        assert not frame.run_llm
        self.notes += [str(message["content"]) for message in cast("list[dict[str, Any]]", frame.messages)]


async def result_of(
    handler: Callable[..., Awaitable[None]], arguments: dict[str, Any], model: NotedModel | None = None
) -> Any:
    answers: list[Any] = []

    async def take(result: Any, **_: Any) -> None:
        answers.append(result)

    nothing = cast("Any", None)
    await handler(
        FunctionCallParams(
            function_name="any",
            tool_call_id="1",
            arguments=arguments,
            llm=cast("Any", model),
            pipeline_worker=nothing,
            context=nothing,
            result_callback=take,
        )
    )
    [result] = answers
    return result


def is_failure(result: Any, *, done: str = "no", say: str = "") -> bool:
    """Return whether a result says what failed, if it happened, whether to retry, and what to say."""
    assert set(result) == {"error", "done", "retry", "say"}
    assert all(isinstance(value, str) and 0 < len(value) <= 400 for value in result.values())
    return result["done"] == done and say in result["say"]
