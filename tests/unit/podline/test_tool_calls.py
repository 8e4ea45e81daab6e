"""Every tool call of a model gets an answer that it can use, whatever the tool or the model does."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.adapters.llm.services.gemini_adapter import GeminiLLMAdapter
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMRunFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.tests.utils import run_test

from podline.tool_calls import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALLS_AT_ONCE,
    MAX_RESULT_BYTES,
    AnsweredToolCalls,
    arguments_problem,
    sendable,
    shown_name,
)

Handler = Callable[[FunctionCallParams], Awaitable[None]]


class Model(AnsweredToolCalls):
    """A model that calls functions when it is asked to run, and passes that on once all are answered."""

    adapter_class = GeminiLLMAdapter

    def __init__(self, calls: Sequence[tuple[str, Any]], **options: Any) -> None:
        super().__init__(**options)
        self._calls = calls
        self._answered = 0
        self._done = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMRunFrame):
            context = LLMContext()
            await self.run_function_calls(
                [
                    FunctionCallFromLLM(name, f"call-{n}", args, context)
                    for n, (name, args) in enumerate(self._calls)
                ]
            )
            async with asyncio.timeout(10):
                await self._done.wait()
        await self.push_frame(frame, direction)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        await super().push_frame(frame, direction)
        if isinstance(frame, FunctionCallResultFrame) and direction is FrameDirection.DOWNSTREAM:
            self._answered += 1
            if self._answered == len(self._calls):
                self._done.set()


async def answers_to(
    *calls: tuple[str, Any], handlers: dict[str, Handler] | None = None, **options: Any
) -> dict[str, FunctionCallResultFrame]:
    """Return the model's answers by the id of the call, and check that none is merely a cancellation."""
    model = Model(calls, **options)
    for name, handler in (handlers or {}).items():
        model.register_function(name, handler)
    frames, _ = await run_test(model, frames_to_send=[LLMRunFrame()])
    assert not any(isinstance(frame, FunctionCallCancelFrame) for frame in frames)
    results = [frame for frame in frames if isinstance(frame, FunctionCallResultFrame)]
    assert len(results) == len(calls)
    for kind in (FunctionCallsStartedFrame, FunctionCallInProgressFrame):
        assert any(isinstance(frame, kind) for frame in frames)
    return {frame.tool_call_id: frame for frame in results}


async def answer_to(name: str, arguments: Any, handler: Handler | None = None, **options: Any) -> Any:
    handlers = {} if handler is None else {name: handler}
    [frame] = (await answers_to((name, arguments), handlers=handlers, **options)).values()
    return frame.result


def returning(result: Any) -> Handler:
    async def handler(params: FunctionCallParams) -> None:
        await params.result_callback(result)

    return handler


async def test_a_result_goes_to_the_model_as_it_is() -> None:
    assert await answer_to("search", {"query": "tea"}, returning({"products": [1]})) == {"products": [1]}


async def test_an_unknown_function_is_answered_with_those_there_are() -> None:
    answers = await answers_to(("fly", {}), ("search", {}), handlers={"search": returning({"total": 1})})

    assert answers["call-0"].result == {
        "error": "There is no function fly. The functions are: search.",
        "done": "no",
        "retry": "Only with one of these.",
        "say": "I can't do that here.",
    }
    assert answers["call-1"].result == {"total": 1}


async def test_a_function_that_raises_is_answered_without_what_the_exception_says() -> None:
    async def crash(_: FunctionCallParams) -> None:
        raise RuntimeError("the customer's secret")

    answer = await answer_to("search", {}, crash)

    assert answer["error"].startswith("search failed")
    assert answer["done"] == "unknown"
    assert "secret" not in json.dumps(answer)


async def test_a_function_that_takes_too_long_is_stopped_and_the_model_learns_why() -> None:
    stopped = asyncio.Event()

    async def hang(_: FunctionCallParams) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    answer = await answer_to("search", {}, hang, function_call_timeout_secs=0.05)

    assert stopped.is_set()
    assert answer["error"] == "search took too long and was stopped."
    assert (answer["done"], answer["retry"][:4]) == ("unknown", "Once")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(object(), id="an object"),
        pytest.param({"price": float("nan")}, id="not a number"),
        pytest.param({1, 2}, id="a set"),
        pytest.param("x" * MAX_RESULT_BYTES, id="too long"),
        pytest.param({"products": ["é" * 100] * 1000}, id="too many"),
        pytest.param(
            [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]], id="too deep"
        ),
    ],
)
async def test_a_result_that_the_model_cannot_take_is_described_instead(result: Any) -> None:
    answer = await answer_to("search", {}, returning(result))

    assert answer["error"].startswith("search has finished, but its result")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"query": "x" * MAX_ARGUMENTS_BYTES}, "larger than"),
        ({"query": float("inf")}, "not JSON"),
        (json.loads("[" * 40 + "]" * 40), "nested too deeply"),
    ],
)
async def test_arguments_out_of_bounds_are_refused_and_the_function_does_not_run(
    arguments: Any, problem: str
) -> None:
    ran = False

    async def note(_: FunctionCallParams) -> None:
        nonlocal ran
        ran = True

    answer = await answer_to("search", {"given": arguments}, note)

    assert problem in answer["error"]
    assert answer["done"] == "no"
    assert not ran


async def test_a_flood_of_calls_is_answered_and_only_its_beginning_runs() -> None:
    runs = 0

    async def count(params: FunctionCallParams) -> None:
        nonlocal runs
        runs += 1
        await params.result_callback({})

    answers = await answers_to(*[("search", {})] * (MAX_CALLS_AT_ONCE + 5), handlers={"search": count})

    assert runs == MAX_CALLS_AT_ONCE
    assert "at once" in answers[f"call-{MAX_CALLS_AT_ONCE}"].result["error"]


async def test_a_long_name_is_cut_wherever_it_is_repeated() -> None:
    [frame] = (await answers_to(("\x1b[31m" + "fly" * 100_000, {}))).values()

    assert len(frame.function_name) == 64
    assert len(json.dumps(frame.result)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_whatever_is_sent_is_json_within_the_limit(result: Any) -> None:
    sent = json.dumps(sendable("search", result), ensure_ascii=False, allow_nan=False)

    assert len(sent.encode(errors="replace")) <= MAX_RESULT_BYTES


@given(st.dictionaries(st.text(), JSON), st.text())
def test_any_arguments_and_any_name_can_be_judged(arguments: dict[str, Any], name: str) -> None:
    arguments_problem(arguments)
    assert shown_name(name).isprintable()
