"""Delivery of a process's spans to an OTLP receiver, as OTEL_* configures, with listed attributes only.

Loads OpenTelemetry's SDK if it is installed, so import it only if traces are wanted.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from podline.contract.version import VERSION
from podline.extras import optional

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as otlp
    from opentelemetry.sdk import resources
    from opentelemetry.sdk import trace as sdk
    from opentelemetry.sdk.trace import export as sdk_export
else:
    otlp = optional("tracing", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resources = optional("tracing", "opentelemetry.sdk.resources")
    sdk = optional("tracing", "opentelemetry.sdk.trace")
    sdk_export = optional("tracing", "opentelemetry.sdk.trace.export")
    trace = optional("tracing", "opentelemetry.trace")


SESSION_ID: Final = "podline.session.id"
ERROR_TYPE: Final = "error.type"

_UNNAMED: Final = "unknown_service"
"""The SDK's name for an unnamed service."""

log = logging.getLogger("podline.traces")


def _never(_span: sdk.ReadableSpan) -> bool:
    return False


def tracer_provider(
    service_name: str, listed: frozenset[str], is_unwanted: Callable[[sdk.ReadableSpan], bool] = _never
) -> sdk.TracerProvider:
    """Return the tracer provider, configured by OTEL_*: receiver, headers, sampler, resource, batches.

    Args:
        service_name: The default if OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name none.
        listed: The attributes that are sent.
        is_unwanted: Whether a span is not sent.
    """
    # The SDK would log every attempt and quote a header that it can't read; we log one line per outage.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    resource = resources.Resource.create({resources.SERVICE_VERSION: VERSION})
    if str(resource.attributes[resources.SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(resources.Resource({resources.SERVICE_NAME: service_name}))
    provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        sdk_export.BatchSpanProcessor(OnlyListed(otlp.OTLPSpanExporter(), listed, is_unwanted))
    )
    return provider


def last_spans(provider: sdk.TracerProvider) -> threading.Thread:
    """Start sending the remaining spans in a thread that need not be joined: the receiver may hang."""
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    return sending


class OnlyListed(sdk_export.SpanExporter):
    """Passes on spans with listed attributes only, and without free text.

    Libraries write what they handle into spans: speech, a tool's arguments, an exception's text.
    """

    def __init__(
        self,
        receiver: sdk_export.SpanExporter,
        listed: frozenset[str],
        is_unwanted: Callable[[sdk.ReadableSpan], bool] = _never,
    ) -> None:
        self._receiver = receiver
        self._listed = listed
        self._is_unwanted = is_unwanted
        self._is_lost = False

    def export(self, spans: Sequence[sdk.ReadableSpan]) -> sdk_export.SpanExportResult:
        result = self._receiver.export([self._bare(span) for span in spans if not self._is_unwanted(span)])
        is_lost = result is not sdk_export.SpanExportResult.SUCCESS
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

    def _bare(self, span: sdk.ReadableSpan) -> sdk.ReadableSpan:
        attributes = {name: value for name, value in (span.attributes or {}).items() if name in self._listed}
        return sdk.ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=[sdk.Event(event.name, timestamp=event.timestamp) for event in span.events],
            kind=span.kind,
            status=trace.Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
