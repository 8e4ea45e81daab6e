"""Claims of bots: those of real ones pass, those that no bot can have a right to don't."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.utils.errors import ErrorCategory

from controller.observe.labels import ERROR_KINDS, Declared
from controller.supervision.channel.claims import (
    EVENTS,
    Claims,
    at_least,
    is_plausible,
    with_few_names,
    with_plain_names,
)
from podline.contract.arithmetic import MAX_MODELS, MAX_SERVICES, MAX_TOOLS, NOTHING, OTHER, beyond, used_by
from podline.contract.messages import (
    BotTimeline,
    ErrorSeen,
    Event,
    Report,
    Synthesized,
    Talked,
    TokensUsed,
    ToolCalled,
    Transcribed,
    TurnEnded,
)
from podline.contract.usage import ModelUsage, Tokens, ToolCalls, Usage

HOUR = 3600
COUNTS = st.integers(0, 2**53)
MODELS = st.builds(ModelUsage, *[COUNTS] * 7, st.integers(0, 10**7).map(float), COUNTS)
USAGES = st.builds(
    Usage,
    models=st.dictionaries(st.text(min_size=1, max_size=3), MODELS, max_size=16),
    services=st.dictionaries(st.text(min_size=1, max_size=3), MODELS, max_size=16),
    turns=COUNTS,
    tool_calls=st.dictionaries(
        st.text(min_size=1, max_size=3), st.builds(ToolCalls, COUNTS, COUNTS), max_size=32
    ),
)


def judged(claims: Claims, age_seconds: float, *events: Event) -> tuple[list[Event], dict[str, int]]:
    report = Report(1, 0, list(events), Usage(), BotTimeline(now=1.0))
    accepted, refusals = claims.judge(report, age_seconds, Declared())
    return accepted.events, dict(refusals)


def a_lively_hour() -> list[Event]:
    """A turn each four seconds, with a whole context of 128,000 tokens again each time."""
    turn: list[Event] = [
        TurnEnded(),
        Talked("caller", 1.9),
        TokensUsed("gemini-3.8-live", Tokens(128_000, 120, 100_000, 100)),
        ToolCalled("search_products", "ok", 0.5),
        Transcribed("whisper", 4.0, "OpenAISTTService"),
        Synthesized("voice", 400, "OpenAITTSService"),
        Talked("bot", 2.0),
    ]
    return turn * (HOUR // 4)


def test_an_hour_of_a_lively_call_passes_however_late_it_is_reported() -> None:
    claims, events = Claims(), a_lively_hour()
    assert judged(claims, HOUR, *events) == (events, {})
    assert claims.totals(used_by(events), HOUR) == used_by(events)


def test_the_same_hour_is_not_believed_of_a_session_of_a_minute() -> None:
    claims, events = Claims(), a_lively_hour()
    accepted, refusals = judged(claims, 60, *events)

    assert {"tokens", "talk"} <= set(refusals)
    assert is_plausible(used_by(accepted), 60)
    assert claims.totals(used_by(events), 60) is not None, "what was refused is taken off the bot's totals"


def test_what_was_refused_of_events_is_taken_off_the_totals_that_have_it() -> None:
    claims = Claims()
    lie, truth = TokensUsed("m", Tokens(prompt_tokens=2**53)), TokensUsed("m", Tokens(prompt_tokens=7))
    judged(claims, 10, lie, truth)

    assert claims.totals(used_by([lie, truth]), 10) == used_by([truth])


@given(USAGES, st.floats(0, 10_000_000))
def test_totals_that_pass_are_bounded_by_the_time(usage: Usage, age_seconds: float) -> None:
    totals = Claims().totals(usage, age_seconds)
    if totals is not None:
        assert (
            sum(each.prompt_tokens for each in totals.models.values()) <= 10_000_000 + 100_000 * age_seconds
        )
        assert sum(each.characters for each in totals.models.values()) <= 100_000 + 1_000 * age_seconds
        assert sum(each.audio_seconds for each in totals.models.values()) <= 600 + 8 * age_seconds
        assert all(name.isprintable() for name in (*totals.models, *totals.tool_calls, *totals.services))


@given(USAGES)
def test_names_are_made_plain_and_few_and_nothing_is_lost(usage: Usage) -> None:
    plain = with_plain_names(usage)
    assert all(name.isprintable() for name in (*plain.models, *plain.tool_calls, *plain.services))
    assert sum(each.ok for each in plain.tool_calls.values()) == sum(
        each.ok for each in usage.tool_calls.values()
    )

    more = {f"more-{number}": ToolCalls(ok=1) for number in range(40)}
    voices = {f"more/{number}": ModelUsage(characters=1) for number in range(40)}
    few = with_few_names(
        Usage(
            models=plain.models,
            tool_calls={**plain.tool_calls, **more},
            services={**plain.services, **voices},
        )
    )
    assert len(few.models) <= MAX_MODELS
    assert len(few.services) <= MAX_SERVICES
    assert sum(each.characters for each in few.services.values()) == 40 + sum(
        each.characters for each in plain.services.values()
    )
    assert len(few.tool_calls) <= MAX_TOOLS
    assert sum(each.ok for each in few.tool_calls.values()) == 40 + sum(
        each.ok for each in plain.tool_calls.values()
    )


@given(USAGES, USAGES)
def test_at_least_is_no_less_than_either(usage: Usage, counted: Usage) -> None:
    merged = at_least(usage, counted)
    assert beyond(usage, merged) == beyond(counted, merged) == NOTHING


def test_a_session_may_use_many_names_that_are_declared_and_a_few_that_are_not() -> None:
    claims = Claims()
    declared = Declared(tools=[f"tool-{number}" for number in range(100)])
    calls = [ToolCalled(f"tool-{number}", "ok", 0.1) for number in range(100)]
    calls += [ToolCalled(f"junk-{number}", "ok", 0.1) for number in range(100)]
    report, _ = claims.judge(Report(1, 0, list(calls), Usage(), BotTimeline(now=1.0)), 10, declared)

    names = [event.name for event in report.events if isinstance(event, ToolCalled)]
    assert names[:100] == [f"tool-{number}" for number in range(100)]
    assert names.count(OTHER) == 100 - (MAX_TOOLS - 1)


def test_a_session_may_use_many_voices_and_no_more_than_a_few_are_named() -> None:
    spoken: list[Event] = [Synthesized("gemini-3.8-live", 1, f"Service{number}") for number in range(100)]
    events, refusals = judged(Claims(), 10, *spoken)

    names = [event.service for event in events if isinstance(event, Synthesized)]
    assert names.count(OTHER) == 100 - (MAX_SERVICES - 1)
    assert refusals == {}
    assert judged(Claims(), 10, Synthesized("m", 1, "\x1b[31m"))[0] == [Synthesized("m", 1, OTHER)]


def test_each_kind_of_event_has_a_limit() -> None:
    assert set(EVENTS) == set(get_args(Event))


def test_kinds_of_errors_are_pipecats() -> None:
    assert set(ERROR_KINDS) == {each.value for each in ErrorCategory}
    events, _ = judged(Claims(), 10, *[ErrorSeen(kind) for kind in ERROR_KINDS], ErrorSeen("\x1b[31m"))
    assert [event.kind for event in events if isinstance(event, ErrorSeen)] == [*ERROR_KINDS, OTHER]


@pytest.mark.parametrize(
    ("batches", "age_seconds", "is_taken"), [(200, 0, True), (201, 0, False), (201, 1, True)]
)
def test_batches_come_no_faster_than_bots_send_them(batches: int, age_seconds: float, is_taken: bool) -> None:  # noqa: FBT001
    claims = Claims()
    assert [claims.take_batch(age_seconds) for _ in range(batches)][-1] is is_taken
