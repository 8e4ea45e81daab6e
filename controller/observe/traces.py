"""Traces by OpenTelemetry: spans for requests that start a session, for their steps, and for each session.

Imports OpenTelemetry's SDK, so import this module only if traces are wanted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from controller.core.errors import ControllerError
from controller.core.session import Session, Timeline
from controller.observe.logs import session_at_work
from controller.observe.requests import CODE_IN_SCOPE, START_PATHS
from podline.contract.reasons import Phase
from podline.spans import ERROR_TYPE, SESSION_ID, last_spans, tracer_provider

SERVICE: Final = "podline-controller"
_REASON: Final = "podline.session.reason"
_AGENT: Final = "podline.agent"
_AGENT_VERSION: Final = "podline.agent.version"
_STAGES: Final = tuple(field.name for field in fields(Timeline))[1:-1]
"""The stages between `accepted` and `ended`."""

LISTED: Final = frozenset(
    {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        CODE_IN_SCOPE,
        ERROR_TYPE,
        SESSION_ID,
        _REASON,
        _AGENT,
        _AGENT_VERSION,
    }
)
_LAST_SPANS_SECONDS: Final = 2.0
_LONGEST_STATE: Final = 512
"""Characters of `tracestate` that must be passed on: https://www.w3.org/TR/trace-context/#tracestate-limits"""


class Traced:
    """Implements `Tracing`."""

    def __init__(self, provider: TracerProvider) -> None:
        """`provider` makes the spans, and is shut down with this."""
        self._provider = provider
        self._tracer = self._provider.get_tracer("podline")
        self._headers = TraceContextTextMapPropagator()

    @property
    def of_requests(self) -> TelemetryConfig:
        return {
            "tracer_provider": self._provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": starts_nothing,
        }

    def is_about(self, session_id: str) -> None:
        trace.get_current_span().set_attribute(SESSION_ID, session_id)

    @contextmanager
    def step(self, name: str, *, continues: Mapping[str, str] | None = None) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name,
            None if continues is None else self._read(continues),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if (session_id := session_at_work.get()) is not None:
                span.set_attribute(SESSION_ID, session_id)
            try:
                yield
            except BaseException as error:
                _fail(span, error.code if isinstance(error, ControllerError) else type(error).__name__)
                raise

    def context(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        self._headers.inject(headers)
        if len(headers.get("tracestate", "")) > _LONGEST_STATE:
            del headers["tracestate"]
        return headers

    def ended(self, session: Session) -> None:
        """Record one span from the request to the end, with an event for each stage between them."""
        if not session.trace:
            return
        timeline = session.timeline
        span = self._tracer.start_span(
            "session", self._read(session.trace), start_time=_nanoseconds(timeline.accepted)
        )
        span.set_attribute(SESSION_ID, session.id)
        span.set_attribute(_AGENT, session.agent)
        if session.agent_version is not None:
            span.set_attribute(_AGENT_VERSION, session.agent_version)
        for stage in _STAGES:
            if (at := getattr(timeline, stage)) is not None:
                span.add_event(stage, timestamp=_nanoseconds(at))
        if session.ending is not None:
            span.set_attribute(_REASON, str(session.ending.reason))
            if session.phase is Phase.FAILED:
                _fail(span, str(session.ending.reason))
        span.end(None if timeline.ended is None else _nanoseconds(timeline.ended))

    def close(self) -> None:
        last_spans(self._provider).join(_LAST_SPANS_SECONDS)

    def _read(self, headers: Mapping[str, str]) -> Context:
        """Return the context that these headers continue; an empty one if they are missing or malformed."""
        return self._headers.extract(headers, Context())


def traced() -> Traced:
    """Return tracing that sends spans as OTEL_* configures, and make log lines name their trace.

    Raises:
        ValueError: one of these variables is invalid.
    """
    tracing = Traced(tracer_provider(SERVICE, LISTED))
    for handler in logging.getLogger().handlers:
        handler.addFilter(name_trace)
    return tracing


def starts_nothing(scope: MutableMapping[str, Any]) -> bool:
    """Return whether a request has no span. Long-held requests never start a session."""
    return scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in START_PATHS


def name_trace(record: logging.LogRecord) -> bool:
    """Add the current trace to a log line."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = trace.format_trace_id(context.trace_id)
    return True


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute(ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000
