"""JSON of messages: what is written, what is read, and what is refused without repeating it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from podline.contract.encoding import DecodeError, decode, encode
from podline.contract.messages import (
    EVENT_KINDS,
    MAX_EVENTS,
    Assignment,
    AssignmentMessage,
    BotTimeline,
    FinalReport,
    InboxAnswer,
    InboxPage,
    OfferMessage,
    Report,
    StopMessage,
    TurnEnded,
    UnknownMessage,
)
from podline.contract.reading import read_answer, read_final_report, read_report
from podline.contract.usage import ModelUsage, Usage
from podline.contract.version import VERSION

VALID: dict[str, Any] = {"seq": 1, "acked": 0, "events": [], "totals": {}, "timeline": {"now": 1.0}}
LARGEST = 2**53


def report(**changes: Any) -> bytes:
    return json.dumps({**VALID, **changes}).encode()


def talked(**changes: Any) -> dict[str, Any]:
    return {"type": "talk", "side": "bot", "seconds": 1.5, **changes}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (BotTimeline(now=1.5, joined=0.5), {"now": 1.5, "joined": 0.5}),
        (BotTimeline(now=1.5, first_speech_acked=True), {"now": 1.5, "first_speech_acked": True}),
        (InboxAnswer(), {}),
        (InboxAnswer(body={}), {"body": {}}),
        (InboxPage([]), {"messages": []}),
        (InboxPage([], ["m1"]), {"messages": [], "withdrawn": ["m1"]}),
        (StopMessage("m1"), {"type": "stop", "id": "m1", "reason": None}),
        (OfferMessage("m1", {"sdp": "v=0"}), {"type": "offer", "id": "m1", "offer": {"sdp": "v=0"}}),
        (AssignmentMessage("m1", "s1"), {"type": "assignment", "id": "m1", "session_id": "s1"}),
        (Assignment({"USER_ID": "ana"}), {"environment": {"USER_ID": "ana"}}),
        (TurnEnded(), {"type": "turn"}),
    ],
)
def test_what_stands_at_its_default_is_left_out_where_that_was_agreed(
    message: Any, expected: dict[str, Any]
) -> None:
    assert json.loads(encode(message)) == expected


def test_usage_is_written_in_full_except_for_what_a_model_did_not_use() -> None:
    written = json.loads(encode(Usage(models={"gemini": ModelUsage(prompt_tokens=3)})))

    assert written.keys() == {
        "models",
        "turns",
        "turns_unanswered",
        "interruptions",
        "tool_calls",
        "talk_seconds",
        "services",
    }
    assert written["models"] == {"gemini": {"prompt_tokens": 3}}


def test_text_beyond_ascii_takes_no_more_room_than_in_utf_8() -> None:
    assert encode(InboxAnswer(refusal="Käse")) == '{"refusal":"Käse"}'.encode()


def test_half_a_surrogate_pair_does_not_keep_a_message_from_its_way() -> None:
    assert encode(InboxAnswer(refusal="a\ud800")) == b'{"refusal":"a?"}'


def test_what_is_no_message_is_not_written() -> None:
    with pytest.raises(TypeError, match="object can't be written"):
        encode({"body": object()})


def test_messages_come_back_as_they_were() -> None:
    page = InboxPage(
        [StopMessage("m1", "idle"), OfferMessage("m2", {"sdp": "v=0"}), AssignmentMessage("m3", "s1")], ["m0"]
    )
    assignment = Assignment({"USER_ID": "ana", "PODLINE_BODY": '{"name": "Käse"}'})
    left = FinalReport("idle", "It was quiet.", Usage(turns=3), Usage(), BotTimeline(now=9.0), acked=2)

    assert decode(TypeAdapter(InboxPage), encode(page)) == page
    assert decode(TypeAdapter(Assignment), encode(assignment)) == assignment
    assert read_final_report(encode(left)) == left


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": LARGEST, "acked": LARGEST},
        {"timeline": {"now": 10_000_000}},
        {"timeline": {"now": 0, "joined": None, "mood": "fine"}},
        {"totals": {"models": {"m" * 128: {"prompt_tokens": LARGEST}}}},
        {"totals": {"models": {f"m{number}": {} for number in range(16)}}},
        {"totals": {"tool_calls": {f"t{number}": {} for number in range(32)}}},
        {"totals": {"services": {f"{'s' * 61}{number:03}/{'m' * 128}": {} for number in range(16)}}},
        {"totals": {"models": {"m": {"audio_seconds": 10_000_000, "characters": LARGEST}}}},
        {"events": [{"type": "transcribed", "model": "m", "seconds": 1.5}]},
        {"events": [{"type": "synthesized", "model": "m", "characters": 3, "service": "s" * 64}]},
        {"events": [{"type": "turn", "mood": "fine"}] * MAX_EVENTS},
        {"events": [talked(seconds=0)]},
    ],
)
def test_a_report_within_bounds_is_read(changes: dict[str, Any]) -> None:
    read, unknown = read_report(report(**changes))

    assert isinstance(read, Report)
    assert unknown == []


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0},
        {"seq": LARGEST + 1},
        {"seq": 10**40},
        {"seq": "1"},
        {"seq": True},
        {"seq": 1.0},
        {"seq": None},
        {"acked": -1},
        {"events": {}},
        {"events": [{"type": "turn"}] * (MAX_EVENTS + 1)},
        {"events": [{"type": "mood"}] * (MAX_EVENTS + 1)},
        {"events": [{"type": "mood"}] + [{"type": "turn"}] * MAX_EVENTS},
        {"events": [{}]},
        {"events": ["turn"]},
        {"events": [{"type": 5}]},
        {"events": [{"type": ""}]},
        {"events": [{"type": "x" * 129}]},
        {"events": [talked(seconds=-0.5)]},
        {"events": [talked(seconds=10_000_001)]},
        {"events": [talked(seconds=True)]},
        {"events": [talked(seconds="1")]},
        {"events": [talked(side="nobody")]},
        {"events": [{"type": "mood"}, talked(side="nobody")]},
        {"events": [{"type": "error", "kind": ""}]},
        {"totals": {"models": {"": {}}}},
        {"totals": {"models": {"m" * 129: {}}}},
        {"totals": {"models": {f"m{number}": {} for number in range(17)}}},
        {"totals": {"tool_calls": {f"t{number}": {} for number in range(33)}}},
        {"totals": {"services": {f"s{number}/m": {} for number in range(17)}}},
        {"totals": {"services": {"s" * 194: {}}}},
        {"totals": {"models": {"m": {"audio_seconds": -0.1}}}},
        {"totals": {"models": {"m": {"characters": 1.5}}}},
        {"events": [{"type": "transcribed", "model": "m", "seconds": float("inf")}]},
        {"events": [{"type": "synthesized", "model": "m", "characters": -1}]},
        {"events": [{"type": "synthesized", "model": "m", "characters": 1, "service": "s" * 65}]},
        {"events": [{"type": "first_byte", "model": "m", "seconds": 1, "service": ""}]},
        {"totals": {"turns": -1}},
        {"timeline": {}},
        {"timeline": {"now": float("nan")}},
        {"timeline": {"now": float("inf")}},
        {"timeline": {"now": 1, "first_speech_acked": 1}},
    ],
)
def test_a_report_beyond_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        read_report(report(**changes))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b'{"reason": "\xff"}',
        b'{"reason": "\\ud800"}',
        b"[" * 60_000,
        b'{"totals":' * 8_000,
        b"1" * 5_000,
        b"\xef\xbb\xbf{}",
        b"null",
        "\ud800",
    ],
)
def test_what_is_no_json_or_no_object_is_refused(text: bytes | str) -> None:
    with pytest.raises(DecodeError):
        read_final_report(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"body": {"x": NaN}}',
        b'{"body": {"x": [-Infinity]}}',
        b'{"body": {"x": 1e999}}',
        b'{"body": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}",
        b'{"body": {"x": "\\ud800"}}',
        b'{"body": []}',
        b'{"refusal": 5}',
    ],
)
def test_an_answer_that_no_caller_could_be_given_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_answer(body)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seq": "secret"}, "Input should be a valid integer - at `$.seq`"),
        ({"events": [{"type": 7777}]}, "Unknown kind - at `$.events[0]`"),
        (
            {"events": [{"type": "tokens", "model": "m", "tokens": {"prompt_tokens": "secret"}}]},
            "Input should be a valid integer - at `$.events[0].tokens.tokens.prompt_tokens`",
        ),
        (
            {"totals": {"models": {"secret": {"prompt_tokens": -7777}}}},
            "Input should be greater than or equal to 0 - at `$.totals.models[...].prompt_tokens`",
        ),
    ],
)
def test_a_refusal_says_where_and_why_and_repeats_nothing(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read_report(report(**changes))

    assert str(caught.value) == expected
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_kinds_of_events_are_those_of_the_contract() -> None:
    assert set(EVENT_KINDS) == {
        "tokens",
        "transcribed",
        "synthesized",
        "first_byte",
        "response_latency",
        "turn",
        "interruption",
        "tool_call",
        "talk",
        "silence",
        "turn_unanswered",
        "answer_requested",
        "model_reconnect",
        "model_reseeded",
        "error",
        "client_messages_refused",
        "audio_dropped",
    }


def test_a_report_in_a_contract_that_is_not_spoken_is_refused_for_that() -> None:
    read, _ = read_report(report(contract=1))
    assert read.contract == 1
    for changes in ({}, {"events": 5, "totals": None}, {"events": [{"type": "mood"}]}):
        with pytest.raises(DecodeError) as caught:
            read_report(report(contract=2, **changes))
        said = f"is contract 2, but Podline {VERSION} speaks 1 - at `$.contract`"
        assert str(caught.value) == said


def test_a_final_report_in_a_contract_that_is_not_spoken_is_refused() -> None:
    left = FinalReport("idle", "", Usage(), Usage(), BotTimeline(now=9.0), contract=1)
    assert read_final_report(encode(left)) == left
    with pytest.raises(DecodeError, match="is contract 7"):
        read_final_report(encode(replace(left, contract=7)))


def test_a_message_of_a_later_release_does_not_hide_the_others() -> None:
    stop, news = {"id": "m1", "type": "stop"}, {"id": "m2", "type": "invitation", "session": {"id": "one"}}
    page = decode(TypeAdapter(InboxPage), json.dumps({"messages": [stop, news]}))

    assert page.messages == [StopMessage("m1"), UnknownMessage("m2", "invitation")]


@pytest.mark.parametrize("message", [5, None, "stop", {}, {"id": "m1"}, {"id": 5, "type": "invitation"}])
def test_what_is_no_message_makes_no_page(message: object) -> None:
    with pytest.raises(DecodeError):
        decode(TypeAdapter(InboxPage), json.dumps({"messages": [message]}))


def test_an_assignments_variables_are_not_shown() -> None:
    assert "secret" not in repr(Assignment({"A_KEY": "secret"}))
