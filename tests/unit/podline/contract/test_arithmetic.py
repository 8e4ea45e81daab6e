"""What services used adds up to what models used, however it is merged, subtracted or claimed."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.contract.arithmetic import (
    NOTHING,
    OTHER,
    added,
    beyond,
    by_service,
    plus,
    together,
    used_by,
)
from podline.contract.messages import Event, Synthesized, TokensUsed, Transcribed
from podline.contract.reading import read_report
from podline.contract.usage import ModelUsage, Tokens, Usage, service_and_model, service_key

NAMES = st.sampled_from(["a", "b", "c/d", OTHER])
SERVICES = st.none() | st.sampled_from(["S", "T", OTHER])
COUNTS = st.integers(0, 1000)
EVENTS = st.lists(
    st.builds(TokensUsed, NAMES, st.builds(Tokens, COUNTS, COUNTS), SERVICES)
    | st.builds(Transcribed, NAMES, COUNTS.map(float), SERVICES)
    | st.builds(Synthesized, NAMES, COUNTS, SERVICES)
)
USED = st.builds(ModelUsage, COUNTS, COUNTS, audio_seconds=COUNTS.map(float), characters=COUNTS)
CLAIMED = st.builds(
    Usage,
    models=st.dictionaries(NAMES, USED),
    services=st.dictionaries(st.sampled_from(["S/a", "T/a", "S/c/d", "S/x", "plain", OTHER]), USED),
)


def of_all(*used: ModelUsage) -> ModelUsage:
    return reduce(added, used, ModelUsage())


def per_model(usage: Usage) -> dict[str, ModelUsage]:
    models: dict[str, ModelUsage] = {}
    for (_, model), used in by_service(usage).items():
        models[model] = added(models.get(model, ModelUsage()), used)
    return models


@given(CLAIMED)
def test_parts_add_up_to_the_models_whatever_the_services_claim(usage: Usage) -> None:
    expected = {model: used for model, used in usage.models.items() if used != ModelUsage()}

    assert per_model(usage) == expected


@given(EVENTS)
def test_what_events_say_of_services_is_a_part_of_what_they_say_of_models(events: list[Event]) -> None:
    usage = used_by(events)
    parts = by_service(usage)

    assert of_all(*parts.values()) == of_all(*usage.models.values())
    for key, used in usage.services.items():
        if key != OTHER and used != ModelUsage():
            assert parts[service_and_model(key)] == used


@given(EVENTS, EVENTS)
def test_what_came_later_is_the_difference(earlier: list[Event], later: list[Event]) -> None:
    before, after = used_by(earlier), used_by([*earlier, *later])

    assert together(before, used_by(later)) == after
    assert together(before, beyond(after, before)).models.keys() >= before.models.keys()
    assert of_all(*beyond(after, before).models.values()) == of_all(*used_by(later).models.values())
    assert beyond(after, after) == beyond(before, after) == NOTHING


def test_each_kind_of_service_is_counted_by_its_own_unit() -> None:
    usage = used_by(
        [
            Transcribed("whisper", 2.5, "OpenAISTTService"),
            TokensUsed("gpt", Tokens(10, 5), "OpenAILLMService"),
            Synthesized("tts", 40, "OpenAITTSService"),
            Synthesized("tts", 2, "AzureTTSService"),
            Synthesized("tts", 3),
        ]
    )

    assert usage.models == {
        "whisper": ModelUsage(audio_seconds=2.5),
        "gpt": ModelUsage(10, 5),
        "tts": ModelUsage(characters=45),
    }
    assert by_service(usage) == {
        ("OpenAISTTService", "whisper"): ModelUsage(audio_seconds=2.5),
        ("OpenAILLMService", "gpt"): ModelUsage(10, 5),
        ("OpenAITTSService", "tts"): ModelUsage(characters=40),
        ("AzureTTSService", "tts"): ModelUsage(characters=2),
        (None, "tts"): ModelUsage(characters=3),
    }


def test_seconds_added_up_in_another_order_leave_nothing_over() -> None:
    usage = reduce(
        plus,
        [Transcribed("m", each / 10, service) for each in range(50) for service in ("S", "T")],
        NOTHING,
    )

    assert set(by_service(usage)) == {("S", "m"), ("T", "m")}


@pytest.mark.parametrize(
    ("service", "model"), [("S", "m"), ("S", "models/m/1"), ("OpenAISTTService", "a b"), ("S", "/")]
)
def test_a_key_is_taken_apart_again(service: str, model: str) -> None:
    assert service_and_model(service_key(service, model)) == (service, model)


def test_a_report_of_a_release_that_knew_no_services_is_read() -> None:
    report, unknown = read_report(
        b'{"seq":2,"acked":1,"events":[{"model":"gemini-3.8-live","tokens":{"prompt_tokens":12,'
        b'"completion_tokens":3,"input_audio_tokens":9,"output_audio_tokens":2,"cache_read_input_tokens":0,'
        b'"cache_read_input_audio_tokens":0,"reasoning_tokens":0},"type":"tokens"},{"model":"gemini-3.8-live",'
        b'"seconds":0.4,"type":"first_byte"}],"totals":{"models":{"gemini-3.8-live":{"prompt_tokens":12,'
        b'"completion_tokens":3,"input_audio_tokens":9,"output_audio_tokens":2,"cache_read_input_tokens":0,'
        b'"cache_read_input_audio_tokens":0,"reasoning_tokens":0}},"turns":1,"turns_unanswered":0,'
        b'"interruptions":0,"tool_calls":{"search_products":{"ok":1,"error":0}},'
        b'"talk_seconds":{"caller":1.5,"bot":2.0}},"timeline":{"now":9.5,"process_up":0.1,"joined":1.0}}'
    )

    assert unknown == []
    assert by_service(report.totals) == {(None, "gemini-3.8-live"): ModelUsage(12, 3, 9, 2)}
    assert used_by(report.events).models == report.totals.models
