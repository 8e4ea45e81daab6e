"""What traces tell of a start and of a session, and what they never tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from controller.core.errors import RoomsUnavailable, RuntimeUnavailable, UnknownOutcome
from controller.core.runtime import Observation
from controller.core.session import Session, Timeline
from controller.hosting import ConfigurationError
from controller.observe.traces import LISTED, Traced, starts_nothing
from controller.parts import choose_tracing
from testing.fakes.bots.reported import batch, gone, until
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.site import Site, serve_site
from testing.fakes.controllers.spans import PARENT, TRACE, Received, attributes_of, header

STARTS = {
    "/v1/sessions": {"user_id": "ana"},
    "/start": {"body": {"user_id": "ana"}},
    "/start-agent": {
        "room_url": "https://rooms.example/own",
        "token": "the-bots-token",
        "user_id": "ana",
        "session_id": "mine",
    },
}
OTHER = f"00-{'1' * 32}-{'2' * 16}-01"
FORGED = [
    "",
    "garbage",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-and-more",
    PARENT * 500,
]


@pytest.fixture
def received() -> Received:
    return Received(LISTED)


@pytest.fixture
async def site(received: Received) -> AsyncIterator[Site]:
    async with serve_site(tracing=Traced(received.provider)) as opened:
        yield opened


@pytest.mark.parametrize("path", STARTS)
async def test_a_start_continues_the_web_app_s_trace_down_to_the_bot(
    site: Site, received: Received, path: str
) -> None:
    headers = {"traceparent": PARENT, "tracestate": "shop=7"}
    answer = await site.client.post(path, json=STARTS[path], headers=headers)
    assert answer.is_success, answer.text

    request = f"POST {path}"
    assert received.traces() == {TRACE}
    assert received.parent(request) == "b7ad6b7169203331"
    assert received.parent("make room") == received.parent("launch bot") == request
    [launch] = site.runtime.launches
    assert launch.environment["TRACEPARENT"] == header(received.one("launch bot"))
    assert launch.environment["TRACESTATE"] == "shop=7"


async def test_a_start_without_a_trace_begins_one(site: Site, received: Received) -> None:
    await site.start()

    assert len(received.traces()) == 1
    assert received.parent("POST /v1/sessions") is None


@pytest.mark.parametrize("forged", FORGED)
async def test_a_traceparent_that_is_none_begins_a_trace(site: Site, received: Received, forged: str) -> None:
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana"}, headers={"traceparent": forged})

    assert answer.status_code == 201
    assert received.parent("POST /v1/sessions") is None
    assert received.traces() != {TRACE}


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_whatever_a_record_holds_can_be_continued(text: str) -> None:
    received = Received(LISTED)
    with Traced(received.provider).step("launch bot", continues={"traceparent": text, "tracestate": text}):
        pass

    assert received.names == ["launch bot"]


async def test_an_endless_tracestate_is_passed_on_to_nobody(site: Site) -> None:
    endless = ",".join(f"vendor{number}={'x' * 200}" for number in range(20))
    headers = {"traceparent": PARENT, "tracestate": endless}
    await site.client.post("/v1/sessions", json={"user_id": "ana"}, headers=headers)

    [launch] = site.runtime.launches
    assert "TRACEPARENT" in launch.environment
    assert "TRACESTATE" not in launch.environment


async def test_what_is_told_of_a_start_names_the_session_and_nobody(site: Site, received: Received) -> None:
    session = await site.start("ana", metadata={"note": "secret-note"})
    await site.client.post("/v1/sessions?user_id=ana", json={"user_id": "ana"})

    exported = "".join(span.to_json() for span in received.spans)
    assert session["id"] in exported
    for word in ("ana", "secret-note", "rooms.example", "token", "127.0.0.1"):
        assert f'"{word}' not in exported
        assert f"={word}" not in exported
    assert {name for span in received.spans for name in attributes_of(span)} <= LISTED


async def test_a_refused_start_says_its_code(received: Received) -> None:
    async with serve_site(tracing=Traced(received.provider), capacity=1) as site:
        await site.start("ana")
        await site.client.post("/v1/sessions", json={"user_id": "bo"})
        refused = received.spans[-1]

    assert attributes_of(refused)["http.response.status_code"] == 429
    assert attributes_of(refused)["podline.problem_code"] == "capacity_reached"


async def test_a_step_that_fails_is_marked_with_our_code(site: Site, received: Received) -> None:
    site.rooms.refusal = RoomsUnavailable("The provider says no.")
    await site.client.post("/v1/sessions", json={"user_id": "ana"})
    site.rooms.refusal = None
    site.runtime.refusal = RuntimeUnavailable("No Jobs today.")
    await site.client.post("/v1/sessions", json={"user_id": "bo"})

    for name, code in {"make room": "rooms_unavailable", "launch bot": "runtime_unavailable"}.items():
        [failed] = [span for span in received.spans if span.name == name and not span.status.is_ok]
        assert attributes_of(failed)["error.type"] == code
        assert failed.status.description is None
    requests = [span for span in received.spans if span.name == "POST /v1/sessions"]
    assert [span.status.status_code for span in requests] == [StatusCode.ERROR] * 2
    ends = [span for span in received.spans if span.name == "session"]
    assert [attributes_of(span)["podline.session.reason"] for span in ends] == ["launch_failed"] * 2


async def test_a_session_is_told_at_its_end_with_its_stages(site: Site, received: Received) -> None:
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana"}, headers={"traceparent": PARENT})
    session = answer.json()
    await site.as_bot(session["id"], "POST", "reports", json=batch(joined=0.1, first_speech=0.3))
    assert "session" not in received.names

    await gone(site, session)

    ended, record = received.one("session"), await site.read(session["id"])
    assert received.parent("session") == "POST /v1/sessions"
    assert attributes_of(ended)["podline.session.id"] == session["id"]
    assert attributes_of(ended)["podline.session.reason"] == record["reason"]
    assert attributes_of(ended)["podline.agent"] == "shopping"
    assert attributes_of(ended)["podline.agent.version"] == record["agent_version"]
    reached = [stage for stage, at in record["timeline"].items() if at]
    assert [event.name for event in ended.events] == reached[1:-1]
    moments = [ended.start_time or 0, *(event.timestamp for event in ended.events), ended.end_time or 0]
    assert moments == sorted(moments)


async def test_a_repeat_with_another_traceparent_is_the_same_session_in_its_first_trace(
    site: Site, received: Received
) -> None:
    body = {"user_id": "ana", "session_id": "mine"}
    first = await site.client.post("/v1/sessions", json=body, headers={"traceparent": PARENT})
    again = await site.client.post("/v1/sessions", json=body, headers={"traceparent": OTHER})
    await site.runtime.exit(site.runtime.launches[0].session.launch_id)

    assert (first.status_code, again.status_code) == (201, 200)
    assert len(site.runtime.launches) == 1
    assert received.traces() == {TRACE, "1" * 32}
    assert f"{received.one('session').context.trace_id:032x}" == TRACE
    requests = [span for span in received.spans if span.name == "POST /v1/sessions"]
    assert {attributes_of(span)["podline.session.id"] for span in requests} == {"mine"}


@at_once
async def test_a_launch_of_unknown_outcome_is_made_again_in_the_session_s_trace() -> None:
    received = Received(LISTED)
    async with serve_site(tracing=Traced(received.provider)) as site:
        body = {"user_id": "ana", "session_id": "mine"}
        site.runtime.refusal = UnknownOutcome()
        await site.client.post("/v1/sessions", json=body, headers={"traceparent": PARENT})
        site.runtime.refusal = None
        await site.client.post(
            "/v1/sessions", json=body, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
        )

    launches = [span for span in received.spans if span.name == "launch bot"]
    assert [f"{span.context.trace_id:032x}" for span in launches] == [TRACE] * 2
    assert attributes_of(launches[0])["error.type"] == UnknownOutcome.code
    [launch] = site.runtime.launches
    assert launch.environment["TRACEPARENT"] == header(launches[1])


async def test_another_controller_goes_on_in_the_session_s_trace(site: Site, received: Received) -> None:
    session = Session(
        id="mine",
        user_id="ana",
        launch_id="launch-1",
        request_hash="abc",
        room_provider="daily",
        room_url="https://rooms.example/mine",
        max_duration_seconds=1800,
        timeline=Timeline(accepted=datetime.now(UTC)),
        trace={"traceparent": PARENT},
    )
    await site.runtime.observe(Observation(launch_id="launch-1", found=session))
    await until(lambda: bool(site.runtime.launches))
    await site.runtime.exit("launch-1")

    [launch] = site.runtime.launches
    assert launch.environment["TRACEPARENT"] == header(received.one("launch bot"))
    assert received.traces() == {TRACE}
    assert received.parent("session") == received.parent("launch bot") == "b7ad6b7169203331"


async def test_nothing_else_makes_a_span(site: Site, received: Received) -> None:
    session = await site.start()
    before = received.names
    await site.read(session["id"])
    await site.client.get("/v1/sessions", headers={"traceparent": PARENT})
    await site.client.get("/readyz")
    await site.as_bot(session["id"], "POST", "reports", json=batch(joined=0.1))
    await site.client.post("/nowhere")
    await site.client.delete(f"/v1/sessions/{session['id']}")

    assert [*before, "session"] == received.names


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/events"),
        ("GET", "/v1/sessions/mine/events"),
        ("GET", "/internal/launches/mine/inbox"),
        ("POST", "/sessions/mine/api/offer"),
    ],
)
def test_what_is_held_for_long_has_no_span(method: str, path: str) -> None:
    assert starts_nothing({"type": "http", "method": method, "path": path})


async def test_without_traces_a_start_is_as_it_ever_was() -> None:
    async with serve_site() as site:
        await site.client.post("/v1/sessions", json={"user_id": "ana"}, headers={"traceparent": PARENT})

        [launch] = site.runtime.launches
        assert launch.session.trace == {}
        assert "TRACEPARENT" not in launch.environment


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")]
)
def test_a_variable_that_can_t_be_followed_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", name: value}
    for variable, said in variables.items():
        monkeypatch.setenv(variable, said)
    with pytest.raises(ConfigurationError, match=name):
        choose_tracing(variables)
