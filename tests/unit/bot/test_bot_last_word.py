"""The last word fits where it has to, and says enough to count what nobody counted."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.last_word import last_word, write_last_word
from bot.ledger import Ledger
from protocol.adding import OTHER
from protocol.messages import LastWord, TokensUsed, ToolCalled, TurnEnded
from protocol.reasons import TERMINATED, Reason
from protocol.usage import Tokens, ToolCalls


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(lambda: 12.5)


def encoded(word: LastWord) -> bytes:
    return msgspec.json.encode(word)


def test_it_tells_reason_totals_and_what_was_acknowledged(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record(TurnEnded())
    ledger.report()
    ledger.acknowledge(1)
    ledger.record(TurnEnded())
    ledger.mark("joined")
    path = tmp_path / "last-word"
    path.write_text("something longer that stood here before " * 200)

    write_last_word(path, last_word(ledger, Reason.CALLER_LEFT, "The caller left the call."))

    word = msgspec.json.decode(path.read_bytes(), type=LastWord)
    assert (word.reason, word.message) == ("caller_left", "The caller left the call.")
    assert (word.totals.turns, word.acked_totals.turns) == (2, 1)
    assert (word.timeline.joined, word.timeline.now) == (12.5, 12.5)


def test_a_bot_ended_by_sigterm_says_terminated(ledger: Ledger) -> None:
    assert last_word(ledger, TERMINATED, "").reason == "terminated"


def test_a_place_that_cannot_be_written_is_logged_and_nothing_more(
    ledger: Ledger, tmp_path: Path, logged: list[str]
) -> None:
    write_last_word(tmp_path / "no" / "such" / "folder", last_word(ledger, Reason.COMPLETED, ""))

    assert any("last word not written" in line for line in logged)


def test_where_space_is_short_tools_are_summed_up_before_models(ledger: Ledger) -> None:
    for count in range(20):
        ledger.record(ToolCalled(f"{count:03}".ljust(128, "x"), "ok", 1.0))
    ledger.record(TokensUsed("gemini", Tokens(prompt_tokens=1)))
    ledger.report()
    ledger.acknowledge(1)
    ledger.record(ToolCalled("save_product", "error", 1.0))

    word = last_word(ledger, Reason.COMPLETED, "")

    assert word.totals.tool_calls == {OTHER: ToolCalls(ok=20, error=1)}
    assert word.acked_totals.tool_calls == {OTHER: ToolCalls(ok=20)}
    assert word.totals.models == {"gemini": Tokens(prompt_tokens=1)}


@given(
    st.text(max_size=2000),
    st.lists(st.text(min_size=1, max_size=128), max_size=40),
    st.lists(st.text(min_size=1, max_size=128), max_size=20),
    st.integers(0, 2**53),
)
def test_it_is_never_too_long(message: str, tools: list[str], models: list[str], count: int) -> None:
    ledger = Ledger(lambda: 1234.56789012345)
    for name in tools:
        ledger.record(ToolCalled(name, "error", 1.0))
    for name in models:
        ledger.record(TokensUsed(name, Tokens(*[count] * 7)))
    ledger.acknowledge(ledger.report().seq)

    assert len(encoded(last_word(ledger, Reason.CRASHED, message))) < 4096


def test_a_message_is_one_line(ledger: Ledger) -> None:
    assert last_word(ledger, Reason.CRASHED, "one\ntwo\x00").message == "one two "


def test_the_one_left_when_the_end_is_decided_says_that_there_is_more_to_come(ledger: Ledger) -> None:
    first = last_word(ledger, Reason.IDLE, "", is_final=False)

    assert not msgspec.json.decode(msgspec.json.encode(first), type=LastWord).is_final
    assert msgspec.json.decode(
        msgspec.json.encode(last_word(ledger, Reason.IDLE, "")), type=LastWord
    ).is_final
