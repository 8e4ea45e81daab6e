"""Spans as a receiver would have them, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id
from opentelemetry.util.types import AnyValue

from podline.spans import OnlyListed

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
"""What a web app sends as `traceparent`: https://www.w3.org/TR/trace-context/#examples-of-http-traceparent-headers"""


class Received:
    """A provider of spans, and what of them has come out."""

    def __init__(
        self, listed: frozenset[str], is_unwanted: Callable[[ReadableSpan], bool] = lambda _: False
    ) -> None:
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(OnlyListed(self._kept, listed, is_unwanted)))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def one(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def parent(self, name: str) -> str | None:
        """Return the name of this span's parent; an id if that is not ours."""
        parent = self.one(name).parent
        if parent is None:
            return None
        names = {span.context.span_id: span.name for span in self.spans}
        return names.get(parent.span_id, format_span_id(parent.span_id))

    def traces(self) -> set[str]:
        return {format_trace_id(span.context.trace_id) for span in self.spans}


def attributes_of(span: ReadableSpan) -> Mapping[str, AnyValue]:
    assert span.attributes is not None
    return span.attributes


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.get_span_context()
    assert context is not None
    return context


def parent_of(span: ReadableSpan) -> SpanContext:
    assert span.parent is not None
    return span.parent


def header(span: ReadableSpan) -> str:
    """The `traceparent` of what continues a span."""
    return f"00-{format_trace_id(span.context.trace_id)}-{format_span_id(span.context.span_id)}-01"
