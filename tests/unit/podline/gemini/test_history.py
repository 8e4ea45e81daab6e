"""The conversation so far, as a session that begins anew gets it."""

from collections.abc import Sequence

from podline.gemini.history import LONGEST_RESULT, MOST_CHARACTERS, MOST_TURNS, as_turns, last_request


def turns_in(messages: Sequence[object]) -> list[tuple[str | None, str | None]]:
    return [(turn.role, (turn.parts or [])[0].text) for turn in as_turns(messages)]


def test_turns_keep_their_order_and_who_said_them() -> None:
    messages = [
        {"role": "user", "content": "find shoes"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "I found"}, {"type": "text", "text": "two."}],
        },
        {"role": "developer", "content": "The earlier save has finished."},
    ]

    assert turns_in(messages) == [
        ("user", "find shoes"),
        ("model", "I found two."),
        ("user", "The earlier save has finished."),
    ]


def test_a_tool_s_result_is_text_for_a_session_that_does_not_know_the_call() -> None:
    messages = [
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "search", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": '{"total": 2}'},
    ]

    assert turns_in(messages) == [("user", '[search returned: {"total": 2}]')]


def test_what_the_caller_said_last_is_included_before_the_context_has_it() -> None:
    messages = [{"role": "assistant", "content": "Hello"}]

    assert [turn.parts[0].text for turn in as_turns(messages, "save two") if turn.parts] == [
        "Hello",
        "save two",
    ]


def test_what_the_caller_said_last_is_included_once() -> None:
    messages = [{"role": "user", "content": "Please save two."}, {"role": "tool", "content": "done"}]

    assert len(as_turns(messages, "save two")) == 2


def test_calls_without_a_result_are_left_out() -> None:
    assert (
        turns_in([{"role": "tool", "content": "IN_PROGRESS"}, {"role": "tool", "content": "CANCELLED"}]) == []
    )


def test_instructions_and_unreadable_messages_are_left_out() -> None:
    assert (
        turns_in([{"role": "system", "content": "Be brief."}, {"role": "user"}, object(), {"content": 3}])
        == []
    )


def test_the_latest_turns_are_kept_within_bounds() -> None:
    many = [{"role": "user", "content": f"turn {number}"} for number in range(1000)]
    long = [{"role": "user", "content": "x" * MOST_CHARACTERS}, {"role": "user", "content": "last"}]

    assert len(turns_in(many)) == MOST_TURNS
    assert turns_in(many)[-1] == ("user", "turn 999")
    assert turns_in(long) == [("user", "last")]


def test_a_huge_result_is_cut() -> None:
    [(_, text)] = turns_in([{"role": "tool", "content": "y" * 100_000}])

    assert len(str(text)) < LONGEST_RESULT + 50


def test_the_last_request_is_what_was_asked_last() -> None:
    messages = [{"role": "user", "content": "greet"}, {"role": "assistant", "content": "Hello"}]

    assert last_request(messages) == "greet"
    assert last_request([]) == ""
