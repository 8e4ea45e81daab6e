"""The spans of a call: what they continue, where a tool's belongs, and that a receiver holds nobody up."""

from __future__ import annotations

import threading
from typing import Literal

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode
from pipecat.services.ai_service import AIService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.utils.tracing.service_attributes import add_stt_span_attributes

from podline.contract.messages import Event, ToolCalled, TurnEnded
from podline.gemini import GeminiLiveLLMService
from podline.runner import __main__ as main
from podline.runner.observers import spans as tracing
from podline.runner.observers.spans import LISTED, Traces, is_models_hearing
from testing.fakes.controllers.spans import PARENT, TRACE, Received, context_of, parent_of

SECOND = 1_000_000_000


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Received:
    """Spans that are kept, in a process that has no provider of its own yet."""
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _: None)
    return Received(LISTED)


class Hanging(SpanExporter):
    """A receiver that takes a connection and never answers."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def export(self, spans: object) -> SpanExportResult:  # noqa: ARG002
        self.may_go_on.wait()
        return SpanExportResult.FAILURE


def search(seconds: float, outcome: Literal["ok", "error"] = "ok") -> ToolCalled:
    return ToolCalled(name="search_products", outcome=outcome, seconds=seconds)


async def test_what_begins_in_a_call_continues_the_launch(received: Received) -> None:
    token = attach(get_current())
    async with Traces(received.provider, {"TRACEPARENT": PARENT, "TRACESTATE": "shop=7"}):
        received.provider.get_tracer("pipecat").start_span("conversation").end()
    detach(token)

    conversation = received.one("conversation")
    assert received.traces() == {TRACE}
    assert received.parent("conversation") == "b7ad6b7169203331"
    assert conversation.context.trace_state.get("shop") == "7"


async def test_what_a_call_leaves_open_is_ended_with_it(received: Received) -> None:
    token = attach(get_current())
    async with Traces(received.provider, {}):
        tracer = received.provider.get_tracer("pipecat")
        conversation = tracer.start_span("conversation")
        tracer.start_span("turn", trace.set_span_in_context(conversation))
    detach(token)

    assert received.names == ["turn", "conversation"]


async def test_a_tool_belongs_to_the_turn_in_which_it_was_called(received: Received) -> None:
    events: list[Event] = []
    async with Traces(received.provider, {}, now=lambda: 20 * SECOND) as traces:
        tracer = received.provider.get_tracer("pipecat")
        conversation = trace.set_span_in_context(tracer.start_span("conversation", start_time=0))
        turns = [tracer.start_span("turn", conversation, start_time=at * SECOND) for at in (10, 15, 19)]
        note = traces.noting(events.append, ["search_products"])
        note(search(4.5))
        note(TurnEnded())
        note(search(0.5, "error"))
        note(search(11.0))

    calls = [span for span in received.spans if span.name == "execute_tool search_products"]
    parents = [parent_of(call).span_id for call in calls]
    assert parents[:2] == [turn.get_span_context().span_id for turn in turns[1:]]
    assert parents[2] == context_of(received.one("conversation")).span_id
    assert [((call.end_time or 0) - (call.start_time or 0)) / SECOND for call in calls] == [4.5, 0.5, 11]
    assert [call.status.status_code for call in calls] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert len(events) == 4


async def test_a_name_that_the_model_has_made_up_is_not_repeated(received: Received) -> None:
    async with Traces(received.provider, {}) as traces:
        traces.noting(lambda _: None, ["save_product"])(search(0.1))

    assert received.names == ["execute_tool unknown"]


@pytest.mark.parametrize(
    ("service", "sent"), [(OpenAISTTService, ["stt"]), (GeminiLiveLLMService, [])], ids=["stt", "model"]
)
def test_speech_to_text_has_spans_and_a_model_that_hears_by_itself_has_none(
    service: type[AIService], sent: list[str]
) -> None:
    received = Received(LISTED, is_models_hearing)
    span = received.provider.get_tracer("pipecat").start_span("stt")
    add_stt_span_attributes(span, service.__name__, "a-model")
    span.end()

    assert received.names == sent


@pytest.mark.parametrize("forged", ["", "garbage", PARENT * 9])
async def test_a_trace_that_can_t_be_continued_is_begun(received: Received, forged: str) -> None:
    async with Traces(received.provider, {"TRACEPARENT": forged}):
        received.provider.get_tracer("pipecat").start_span("conversation").end()

    assert received.one("conversation").parent is None


@pytest.mark.usefixtures("received")
async def test_a_receiver_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "LAST_SPANS_SECONDS", 0.05)
    provider, receiver = TracerProvider(shutdown_on_exit=False), Hanging()
    provider.add_span_processor(BatchSpanProcessor(receiver))
    async with Traces(provider, {}):
        provider.get_tracer("pipecat").start_span("conversation").end()

    assert not receiver.may_go_on.is_set()
    receiver.may_go_on.set()


async def test_a_variable_that_makes_no_sense_keeps_no_caller_from_being_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    async with main._traces(traced=True) as traces:
        assert traces is None
