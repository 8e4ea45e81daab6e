"""The spans of one call: Pipecat's own and those of tools, which continue the launch's trace.

Loads OpenTelemetry's SDK, so import it only if traces are wanted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Container, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from loguru import logger

from podline.contract import environment as env
from podline.contract.messages import Event, ToolCalled
from podline.extras import optional
from podline.spans import ERROR_TYPE, SESSION_ID, last_spans, tracer_provider

if TYPE_CHECKING:
    from opentelemetry import context as otel_context
    from opentelemetry import trace
    from opentelemetry.sdk import trace as sdk
    from opentelemetry.trace.propagation import tracecontext
else:
    trace = optional("tracing", "opentelemetry.trace")
    otel_context = optional("tracing", "opentelemetry.context")
    sdk = optional("tracing", "opentelemetry.sdk.trace")
    tracecontext = optional("tracing", "opentelemetry.trace.propagation.tracecontext")


SERVICE: Final = "podline-bot"
LISTED: Final = frozenset(
    {
        ERROR_TYPE,
        SESSION_ID,
        "conversation.id",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.tool.name",
        "gen_ai.usage.audio.cache_read.input_tokens",
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "output_modality",
        "tool.calls_count",
        "tool.result_status",
        "tools.count",
        "turn.duration_seconds",
        "turn.ended_by_conversation_end",
        "turn.number",
        "turn.user_bot_latency_seconds",
        "turn.was_interrupted",
    }
)
"""The only attributes sent. Pipecat also writes speech, instructions, arguments, and results."""

LAST_SPANS_SECONDS: Final = 1.0
"""How long the end of a call waits for the receiver of spans."""
_TURNS_KEPT: Final = 8
"""A tool that runs when the caller interrupts belongs to a turn before the last."""


class Traces:
    """Traces one call while its `async with` lasts: spans that begin in it continue the launch's trace."""

    def __init__(
        self,
        provider: sdk.TracerProvider,
        variables: Mapping[str, str],
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare.

        Args:
            provider: Makes the spans, and is shut down with this.
            variables: The bot's environment, which names the trace to continue.
            now: Nanoseconds since the epoch.
        """
        self._provider = provider
        self._carrier = {
            "traceparent": variables.get(env.TRACEPARENT, ""),
            "tracestate": variables.get(env.TRACESTATE, ""),
        }
        self._now = now
        self._parents = _ParentSpans()

    async def __aenter__(self) -> Self:
        self._provider.add_span_processor(self._parents)
        # Pipecat uses the process-wide one.
        trace.set_tracer_provider(self._provider)
        launch = tracecontext.TraceContextTextMapPropagator().extract(self._carrier, otel_context.Context())
        otel_context.attach(launch)
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            logger.configure(extra={"trace_id": trace.format_trace_id(context.trace_id)})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._parents.close()
        sending = last_spans(self._provider)
        await asyncio.to_thread(sending.join, LAST_SPANS_SECONDS)

    def noting(self, record: Callable[[Event], None], tools: Container[str]) -> Callable[[Event], None]:
        """Return `record` with a span for each tool call. A name not in `tools` was made up by the model."""

        def note(event: Event) -> None:
            record(event)
            if isinstance(event, ToolCalled):
                self._add_tool_span(event, event.name if event.name in tools else "unknown")

        return note

    def _add_tool_span(self, called: ToolCalled, name: str) -> None:
        """Add a span, named as in https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/."""
        ended = self._now()
        began = ended - round(called.seconds * 1e9)
        span = self._provider.get_tracer("podline").start_span(
            f"execute_tool {name}",
            self._parents.at(began),
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name},
            start_time=began,
        )
        if called.outcome == "error":
            span.set_attribute(ERROR_TYPE, "tool_error")
            span.set_status(trace.StatusCode.ERROR)
        span.end(ended)


def traces(variables: Mapping[str, str]) -> Traces:
    """Return the traces of the call that these variables describe, sent as OTEL_* configures.

    Raises:
        ValueError: One of the variables is invalid.
    """
    return Traces(tracer_provider(SERVICE, LISTED, is_models_hearing), variables)


def is_models_hearing(span: sdk.ReadableSpan) -> bool:
    """Return whether this is the `stt` span of a model that hears by itself, as Gemini Live does.

    It lasts from one turn into the next and means nothing. That of a speech-to-text service lasts from the
    caller's first word to the transcript. Pipecat names the class of either as the provider.
    """
    provider = str((span.attributes or {}).get("gen_ai.provider.name", ""))
    return span.name == "stt" and provider.endswith("llmservice")


class _ParentSpans(sdk.SpanProcessor):
    """Remembers the spans that are parents of others: Pipecat doesn't expose them."""

    def __init__(self) -> None:
        self._conversation: sdk.Span | None = None
        self._turns: deque[sdk.Span] = deque(maxlen=_TURNS_KEPT)

    def on_start(self, span: sdk.Span, parent_context: otel_context.Context | None = None) -> None:  # noqa: ARG002 - the SDK's
        if span.name == "conversation":
            self._conversation = span
        elif span.name == "turn":
            self._turns.append(span)

    def at(self, moment: int) -> otel_context.Context | None:
        """Return the context of this moment's turn, or else the conversation's; None for the current one."""
        turns = [turn for turn in self._turns if (turn.start_time or 0) <= moment]
        parent = turns[-1] if turns else self._conversation
        return None if parent is None else trace.set_span_in_context(parent, otel_context.Context())

    def close(self) -> None:
        """End the spans that a torn-down Pipecat left open; otherwise the conversation would be missing."""
        for span in (*self._turns, self._conversation):
            if span is not None and span.is_recording():
                span.end()
