"""What the model sends, as Pipecat's service can use it."""

from typing import Any

import numpy as np
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from podline.gemini.incoming import AUDIO_TYPE, LONGEST_TRANSCRIPTION, RATE, IncomingMessages

HALF_SECOND = (8000 * np.sin(np.arange(RATE // 2) / 10)).astype("<i2").tobytes()


def audio(data: bytes, mime_type: str | None = AUDIO_TYPE) -> types.Part:
    return types.Part(inline_data=types.Blob(data=data, mime_type=mime_type))


def thought(text: str = "hm") -> types.Part:
    return types.Part(text=text, thought=True)


def call(name: str, call_id: str | None = None) -> types.FunctionCall:
    return types.FunctionCall(id=call_id, name=name, args={})


def turn(*parts: types.Part, **fields: Any) -> types.LiveServerMessage:
    content = types.LiveServerContent(model_turn=types.Content(role="model", parts=list(parts)), **fields)
    return types.LiveServerMessage(server_content=content)


def prepared(*messages: types.LiveServerMessage) -> list[types.LiveServerMessage]:
    incoming = IncomingMessages()
    return [part for message in messages for part in incoming.prepare(message)]


def parts_of(messages: list[types.LiveServerMessage]) -> list[types.Part]:
    contents = [message.server_content for message in messages if message.server_content]
    turns = [content.model_turn for content in contents if content.model_turn and content.model_turn.parts]
    assert all(len(model_turn.parts or []) == 1 for model_turn in turns)
    return [(model_turn.parts or [])[0] for model_turn in turns]


def sound(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(part.inline_data.data or b"" for part in parts_of(messages) if part.inline_data)


def test_each_part_is_heard() -> None:
    messages = prepared(turn(thought(), audio(HALF_SECOND), audio(HALF_SECOND)))

    assert len(parts_of(messages)) == 3
    assert sound(messages) == 2 * HALF_SECOND


def test_an_interruption_comes_first_and_the_turn_s_end_last() -> None:
    messages = prepared(turn(audio(HALF_SECOND), audio(HALF_SECOND), interrupted=True, turn_complete=True))
    contents = [message.server_content for message in messages]

    assert [bool(content and content.interrupted) for content in contents] == [True, False]
    assert [bool(content and content.turn_complete) for content in contents] == [False, True]


def test_a_message_of_nothing_usable_keeps_the_rest_of_what_it_says() -> None:
    [message] = prepared(turn(types.Part(text="unheard"), turn_complete=True, interrupted=True))

    assert message.server_content is not None
    assert message.server_content.model_turn is None
    assert (message.server_content.turn_complete, message.server_content.interrupted) == (True, True)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_audio_of_another_rate_is_resampled(rate: int) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2").tobytes()
    chunks = [tone[start : start + 3201] for start in range(0, len(tone), 3201)]

    heard = sound(
        prepared(
            *(turn(audio(chunk, f"audio/pcm;rate={rate}")) for chunk in chunks), turn(turn_complete=True)
        )
    )

    samples = np.frombuffer(heard, "<i2")
    assert len(samples) == pytest.approx(RATE, abs=2)
    assert np.sum(np.diff(samples > 0)) / 2 == pytest.approx(440, abs=2)


@pytest.mark.parametrize("mime_type", ["audio/pcm", "AUDIO/PCM; rate=24000", 'audio/pcm;rate="24000"'])
def test_audio_of_our_rate_is_known_by_all_its_names(mime_type: str) -> None:
    assert sound(prepared(turn(audio(HALF_SECOND, mime_type)))) == HALF_SECOND


@pytest.mark.parametrize(
    "mime_type",
    [
        "audio/opus",
        "audio/L16;rate=24000",
        "video/mp4",
        "audio/pcm;rate=1",
        "audio/pcm;rate=999999999999",
        "audio/pcm;rate=-24000",
        "audio/pcm;rate=٢٤٠٠٠",
        "audio/pcm;rate=24000;channels=2",
        "",
        None,
        "x" * 100_000,
    ],
)
def test_what_cannot_be_played_is_left_out(mime_type: str | None) -> None:
    assert sound(prepared(turn(audio(HALF_SECOND, mime_type)))) == b""


def test_a_sample_that_two_chunks_share_stays_whole() -> None:
    odd = [HALF_SECOND[:1001], HALF_SECOND[1001:5000], HALF_SECOND[5000:]]

    assert sound(prepared(*(turn(audio(chunk)) for chunk in odd))) == HALF_SECOND


def test_the_rest_of_an_interrupted_answer_does_not_spoil_the_next() -> None:
    messages = prepared(
        turn(audio(HALF_SECOND[:1001])),
        types.LiveServerMessage(server_content=types.LiveServerContent(interrupted=True)),
        turn(audio(HALF_SECOND)),
    )

    assert sound(messages)[-len(HALF_SECOND) :] == HALF_SECOND


def test_a_call_that_comes_only_as_a_part_is_a_call() -> None:
    [message] = prepared(turn(types.Part(function_call=call("search", "1"))))

    assert message.tool_call is not None
    assert [asked.id for asked in message.tool_call.function_calls or []] == ["1"]


@pytest.mark.parametrize("part_id", ["1", None])
def test_a_call_that_comes_both_ways_is_one(part_id: str | None) -> None:
    both = turn(types.Part(function_call=call("search", part_id)), audio(HALF_SECOND)).model_copy(
        update={"tool_call": types.LiveServerToolCall(function_calls=[call("search", "1")])}
    )

    calls = [message.tool_call for message in prepared(both) if message.tool_call]

    assert [asked.id for tool_call in calls for asked in tool_call.function_calls or []] == ["1"]


def test_two_calls_of_one_tool_are_two() -> None:
    both = types.LiveServerMessage(
        tool_call=types.LiveServerToolCall(function_calls=[call("search", "1"), call("search", "2")])
    )

    assert prepared(both) == [both]


def test_parts_beyond_the_limit_are_dropped() -> None:
    assert len(parts_of(prepared(turn(*[audio(HALF_SECOND[:2])] * 1000)))) < 100


def test_a_long_transcription_is_cut() -> None:
    content = types.LiveServerContent(
        input_transcription=types.Transcription(text="a" * 10**6),
        output_transcription=types.Transcription(text="b" * 10**6, finished=True),
    )
    [message] = prepared(types.LiveServerMessage(server_content=content))

    cut = message.server_content
    assert cut is not None
    assert cut.input_transcription is not None
    assert cut.output_transcription is not None
    assert len(cut.input_transcription.text or "") == LONGEST_TRANSCRIPTION
    assert (len(cut.output_transcription.text or ""), cut.output_transcription.finished) == (4000, True)


@pytest.mark.parametrize(
    "usage",
    [
        types.UsageMetadata(prompt_token_count=-1),
        types.UsageMetadata(response_token_count=10**18),
        types.UsageMetadata(prompt_tokens_details=[types.ModalityTokenCount(token_count=-5)]),
    ],
)
def test_impossible_counts_are_left_out(usage: types.UsageMetadata) -> None:
    [message] = prepared(types.LiveServerMessage(usage_metadata=usage))

    assert message.usage_metadata is None


def test_possible_counts_are_kept() -> None:
    usage = types.UsageMetadata(prompt_token_count=900_000, response_token_count=0)
    [message] = prepared(types.LiveServerMessage(usage_metadata=usage))

    assert message.usage_metadata == usage


mime_types = st.sampled_from(["audio/pcm", "audio/pcm;rate=16000", "audio/opus"]) | st.text(max_size=30)
any_part = st.one_of(
    st.builds(audio, st.binary(max_size=500), mime_types | st.none()),
    st.builds(thought, st.text(max_size=20)),
    st.builds(lambda name: types.Part(function_call=call(name)), st.text(max_size=10)),
    st.just(types.Part(text="unheard")),
    st.just(types.Part()),
)


@given(st.lists(st.lists(any_part, max_size=6), max_size=8))
def test_whatever_the_parts_are_pipecat_gets_one_at_a_time_in_whole_samples(
    turns: list[list[types.Part]],
) -> None:
    messages = prepared(*(turn(*parts) for parts in turns))

    for part in parts_of(messages):
        if part.inline_data is not None:
            assert part.inline_data.mime_type == AUDIO_TYPE
            assert len(part.inline_data.data or b"") % 2 == 0
