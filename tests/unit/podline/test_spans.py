"""What leaves a process as spans, whether anything does, and what is said when nobody takes it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from podline.contract.environment import traces_are_wanted, why_no_traces
from podline.contract.version import VERSION
from podline.spans import OnlyListed, tracer_provider
from testing.fakes.controllers.spans import Received, attributes_of

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


class Moody(SpanExporter):
    """A receiver that takes spans or doesn't."""

    is_there = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS if self.is_there else SpanExportResult.FAILURE


def test_what_is_not_listed_stays_here() -> None:
    received = Received(frozenset({"turn.number"}))
    with received.provider.get_tracer("test").start_as_current_span("turn") as span:
        span.set_attributes({"turn.number": 2, "transcript": "my neighbour plays the xylophone"})
        span.add_event("spoken", {"text": "xylophone"})
        span.record_exception(ValueError("xylophone"))
        span.set_status(Status(StatusCode.ERROR, "xylophone"))

    exported = received.one("turn")
    assert "xylophone" not in exported.to_json()
    assert dict(attributes_of(exported)) == {"turn.number": 2}
    assert [event.name for event in exported.events] == ["spoken", "exception"]
    assert exported.status.status_code is StatusCode.ERROR


def test_unwanted_spans_stay_here() -> None:
    taken: list[str] = []

    class Noting(Moody):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            taken.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    spans = [ReadableSpan(name) for name in ("turn", "stt")]
    OnlyListed(Noting(), frozenset(), lambda span: span.name == "stt").export(spans)

    assert taken == ["turn"]


def test_a_receiver_that_is_away_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Moody()
    exporter = OnlyListed(receiver, frozenset())
    with caplog.at_level(logging.WARNING):
        for is_there in (True, False, False, False, True, True):
            receiver.is_there = is_there
            exporter.export([])

    assert [record.getMessage() for record in caplog.records] == [
        "traces not delivered, all else goes on",
        "traces delivered again",
    ]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "podline-bot"),
        ({"OTEL_SERVICE_NAME": "voice"}, "voice"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=voice,k8s.pod.name=p-1"}, "voice"),
    ],
)
def test_a_service_has_our_name_unless_the_operator_gives_one(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    provider = tracer_provider("podline-bot", frozenset())
    provider.shutdown()

    assert provider.resource.attributes["service.name"] == named
    assert provider.resource.attributes["service.version"] == VERSION
    assert ("k8s.pod.name" in provider.resource.attributes) is ("OTEL_RESOURCE_ATTRIBUTES" in variables)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_an_endpoint_switches_traces_on(variables: dict[str, str], wanted: bool) -> None:  # noqa: FBT001
    assert traces_are_wanted(variables) is wanted


def test_a_protocol_that_is_not_spoken_is_named_with_what_to_do() -> None:
    assert why_no_traces(ENDPOINT) is None
    assert why_no_traces({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is None
    of_traces = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert why_no_traces(of_traces) is None
    assert why_no_traces({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == (
        "OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent only as http/protobuf, which receivers accept at port "
        "4318; set the endpoint to that and leave this variable out."
    )


def test_where_nobody_wants_traces_a_controller_loads_nothing_for_them() -> None:
    code = "import controller.__main__; from controller.parts import choose_tracing; choose_tracing({})"

    # FastAPI loads OpenTelemetry's API, which does nothing by itself.
    unloaded = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf")
    assert [
        name for name in printed(f"import sys\n{code}\nprint(*sys.modules)") if name.startswith(unloaded)
    ] == []


def test_a_bot_may_send_traces_of_its_own() -> None:
    importing = "from podline.runner.early_imports import import_session; import_session()"
    asking = "from pipecat.utils.tracing import setup; print(setup.is_tracing_available())"

    assert printed(f"{importing}\n{asking}") == ["True"]


def printed(code: str) -> list[str]:
    """Return the words that a process of its own prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
