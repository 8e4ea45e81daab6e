"""Delivery of a process's spans to an OTLP receiver, as OTEL_* configures, with listed attributes only.

Imports OpenTelemetry's SDK, so import it only if traces are wanted (`podline.contract.environment`).
"""

import logging
import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from podline.contract.version import VERSION

SESSION_ID: Final = "podline.session.id"
ERROR_TYPE: Final = "error.type"

_UNNAMED: Final = "unknown_service"
"""The SDK's name for an unnamed service."""

log = logging.getLogger("podline.traces")


def tracer_provider(
    service_name: str, listed: frozenset[str], unwanted: frozenset[str] = frozenset()
) -> TracerProvider:
    """Return the tracer provider, configured by OTEL_*: receiver, headers, sampler, resource, batches.

    Args:
        service_name: The default if OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name none.
        listed: The attributes that are sent.
        unwanted: The names of spans that are not sent.
    """
    # It would log every attempt and quote a header it can't read; we log one line for each outage.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    resource = Resource.create({SERVICE_VERSION: VERSION})
    if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: service_name}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OnlyListed(OTLPSpanExporter(), listed, unwanted)))
    return provider


def last_spans(provider: TracerProvider) -> threading.Thread:
    """Start sending the remaining spans in a thread that nobody has to wait for: the receiver may hang."""
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    return sending


class OnlyListed(SpanExporter):
    """Passes on spans with listed attributes only, and without free text.

    Libraries write what they handle into spans: speech, a tool's arguments, an exception's text.
    """

    def __init__(
        self, receiver: SpanExporter, listed: frozenset[str], unwanted: frozenset[str] = frozenset()
    ) -> None:
        self._receiver = receiver
        self._listed = listed
        self._unwanted = unwanted
        self._is_lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._receiver.export(
            [self._bare(span) for span in spans if span.name not in self._unwanted]
        )
        is_lost = result is not SpanExportResult.SUCCESS
        if is_lost and not self._is_lost:
            log.warning("traces not delivered, all else goes on")
        elif self._is_lost and not is_lost:
            log.warning("traces delivered again")
        self._is_lost = is_lost
        return result

    def shutdown(self) -> None:
        self._receiver.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._receiver.force_flush(timeout_millis)

    def _bare(self, span: ReadableSpan) -> ReadableSpan:
        attributes = {name: value for name, value in (span.attributes or {}).items() if name in self._listed}
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=[Event(event.name, timestamp=event.timestamp) for event in span.events],
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
