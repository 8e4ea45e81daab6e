"""What a completion says or calls, given the conversation."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.turns.empty_user_turn import DEFAULT_EMPTY_USER_TURN_INTERRUPTED_PROMPT

from sandbox.mind import answers
from sandbox.openai.chat import ChatMessage, ChatRequest, check_messages
from sandbox.openai.refusals import OpenAIRefusedError
from sandbox.openai.replies import WantedCall, reply_to
from tests.unit.sandbox.openai.serving import ASKS_FOR_SHOES, END_TOOL, GREETED, SEARCH_TOOL, result

FOUND = '{"products": [{"number": 2, "name": "Trail running shoes", "price": 89}], "total": 1}'


def asked(messages: list[dict[str, Any]], tools: Any = (SEARCH_TOOL, END_TOOL), **fields: Any) -> ChatRequest:
    body = {"model": "gpt-4.1", "messages": messages, "tools": list(tools), **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=ChatRequest)


@pytest.mark.parametrize(
    ("messages", "turn", "said"),
    [
        ([{"role": "system", "content": "You say goodbye politely."}], "greeting", answers.GREETING),
        ([{"role": "developer", "content": "Please introduce yourself."}], "greeting", answers.GREETING),
        ([{"role": "user", "content": 'Say "Welcome back"'}], "greeting", "Welcome back"),
        ([*GREETED, {"role": "user", "content": "the weather was nice"}], "answer", answers.SORRY),
        (
            [*GREETED, {"role": "user", "content": [{"type": "text", "text": "hello"}]}],
            "answer",
            answers.GREETING,
        ),
        ([*ASKS_FOR_SHOES, *result(FOUND)], "tool_result", "I found 1 product."),
        ([*ASKS_FOR_SHOES, *result('"CANCELLED"')], "tool_result", "did not work"),
        ([*ASKS_FOR_SHOES, *result("IN_PROGRESS")], "tool_result", answers.ONE_MOMENT),
        ([*ASKS_FOR_SHOES, *result("no JSON at all")], "tool_result", "no JSON at all"),
        ([*GREETED, *result('{"ended": true}', tool="end_call")], "tool_result", ""),
        (
            [*GREETED, *result('{"saved": {"name": "Lamp"}}', tool="save_product")],
            "tool_result",
            "Saved number 2",
        ),
        ([*GREETED, *result('"sunny"', tool="weather")], "tool_result", answers.SORRY),
        (
            [*ASKS_FOR_SHOES, *result(FOUND), {"role": "user", "content": "What was I looking for?"}],
            "answer",
            "You asked me for running shoes.",
        ),
    ],
)
def test_a_conversation_is_answered(messages: list[dict[str, Any]], turn: str, said: str) -> None:
    reply = reply_to(asked(messages), ())
    assert (reply.turn, reply.calls) == (turn, ())
    assert said in reply.text
    assert said or not reply.text


def test_a_question_that_was_not_answered_is_answered_when_it_is_asked_for_again() -> None:
    again = {"role": "developer", "content": "The caller heard no answer."}
    assert reply_to(asked([*ASKS_FOR_SHOES, again]), ()).calls


def test_a_caller_who_was_not_understood_is_asked_to_repeat_it() -> None:
    missed = {"role": "developer", "content": DEFAULT_EMPTY_USER_TURN_INTERRUPTED_PROMPT}
    assert reply_to(asked([*ASKS_FOR_SHOES, *GREETED[1:], missed]), ()).text == answers.SORRY


def test_a_search_calls_the_tool_with_the_parameters_that_it_has() -> None:
    reply = reply_to(asked(ASKS_FOR_SHOES), ["Shoes"])
    assert (reply.text, reply.calls) == ("", (WantedCall("search_products", '{"query":"running shoes"}'),))


@pytest.mark.parametrize("fields", [{"tools": []}, {"tool_choice": "none"}])
def test_without_a_tool_the_model_says_so(fields: dict[str, Any]) -> None:
    reply = reply_to(asked(ASKS_FOR_SHOES, **fields), ())
    assert (reply.text, reply.calls) == (answers.NO_TOOL, ())


def test_a_goodbye_is_said_and_ends_the_call() -> None:
    reply = reply_to(asked([*GREETED, {"role": "user", "content": "Goodbye."}]), ())
    assert (reply.text, reply.calls) == (answers.FAREWELL, (WantedCall("end_call", "{}"),))


@pytest.mark.parametrize(
    "messages",
    [
        [*GREETED, result("x")[1]],
        [*GREETED, result("x")[0]],
        [*GREETED, result("x")[0], {"role": "user", "content": "hello"}, result("x")[1]],
        [*GREETED, *result("x"), {"role": "user", "content": "hello"}, result("x")[1]],
        [*GREETED, *result("x"), {**result("x")[1], "tool_call_id": "another"}],
    ],
)
def test_every_call_has_a_result_and_every_result_a_call(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(OpenAIRefusedError, match="tool_calls"):
        check_messages(asked(messages).messages)


TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "find lamps",
        "save product two",
        "goodbye",
        "null",
        "[]",
        '{"products": 3}',
        '{"output": "x"}',
        "IN_PROGRESS",
    ]
)
IDS = st.sampled_from(["call_1", "call_2"])


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    role = draw(st.sampled_from(["system", "developer", "user", "assistant", "calls"]))
    if role != "calls":
        return [{"role": role, "content": draw(TEXTS | st.none())}]
    tool = draw(st.sampled_from(["search_products", "save_product", "remove_product", "end_call", "weather"]))
    call, returned = result(draw(TEXTS), draw(IDS), tool)
    call["tool_calls"][0]["function"]["arguments"] = draw(TEXTS)
    return [call, returned]


@given(st.lists(turns(), min_size=1, max_size=8))
def test_every_conversation_is_answered(spoken: list[list[dict[str, Any]]]) -> None:
    request = asked([message for turn in spoken for message in turn])
    check_messages(request.messages)
    reply = reply_to(request, ["Shoes"])
    assert all(isinstance(msgspec.json.decode(call.arguments), dict) for call in reply.calls)
    assert reply.text or reply.calls or request.messages[-1].role == "tool"


@given(
    st.lists(st.builds(ChatMessage, role=st.sampled_from(["user", "assistant", "tool"]), tool_call_id=IDS))
)
def test_messages_are_checked_whatever_they_are(messages: list[ChatMessage]) -> None:
    has_result = any(message.role == "tool" for message in messages)
    try:
        check_messages(messages)
    except OpenAIRefusedError:
        assert has_result
    else:
        assert not has_result
