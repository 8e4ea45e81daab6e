"""The final report fits where it has to, and says enough to count what nobody counted."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.contract.arithmetic import OTHER
from podline.contract.encoding import encode
from podline.contract.messages import FinalReport, Synthesized, TokensUsed, ToolCalled, Transcribed, TurnEnded
from podline.contract.reading import read_final_report
from podline.contract.reasons import TERMINATED, Reason
from podline.contract.usage import ModelUsage, Tokens, ToolCalls
from podline.runner.channel.final_report import FinalReportFile, final_report
from podline.runner.channel.outbox import Outbox


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(lambda: 12.5)


def read_back(path: Path) -> FinalReport:
    return read_final_report(path.read_bytes())


@contextmanager
def writing_on(file: FinalReportFile, words: list[FinalReport]) -> Iterator[None]:
    """Meanwhile another thread leaves these words, at least once each."""
    is_over = threading.Event()

    def write() -> None:
        for word in words:
            file.write(word)
        while not is_over.is_set():
            file.write(words[-1])

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        try:
            yield
        finally:
            is_over.set()
        writing.result()


def test_it_tells_reason_totals_and_what_was_acknowledged(outbox: Outbox, tmp_path: Path) -> None:
    outbox.record(TurnEnded())
    outbox.report()
    outbox.acknowledge(1)
    outbox.record(TurnEnded())
    outbox.mark("joined")
    path = tmp_path / "last-word"
    path.write_text("something longer that stood here before " * 200)

    FinalReportFile(path).write(final_report(outbox, Reason.CALLER_LEFT, "The caller left the call."))

    word = read_back(path)
    assert (word.reason, word.message) == ("caller_left", "The caller left the call.")
    assert (word.totals.turns, word.acked_totals.turns) == (2, 1)
    assert (word.timeline.joined, word.timeline.now) == (12.5, 12.5)


def test_a_bot_ended_by_sigterm_says_terminated(outbox: Outbox) -> None:
    assert final_report(outbox, TERMINATED, "").reason == "terminated"


def test_a_place_that_cannot_be_written_is_logged_and_nothing_more(
    outbox: Outbox, tmp_path: Path, logged: list[str]
) -> None:
    FinalReportFile(tmp_path / "no" / "such" / "folder").write(final_report(outbox, Reason.COMPLETED, ""))

    assert any("final report not written" in line for line in logged)


def test_a_shorter_word_takes_the_place_of_a_longer_one(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "last-word"
    path.touch()  # as the kubelet makes it
    file, word = FinalReportFile(path), final_report(outbox, Reason.CRASHED, "A fault.")

    file.write(final_report(outbox, Reason.CRASHED, "A fault. " * 20, is_final=False))
    file.write(word)

    assert path.read_bytes() == encode(word)


def test_a_bot_killed_while_it_writes_has_left_a_word(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "last-word"
    file, word = FinalReportFile(path), final_report(outbox, Reason.IDLE, "")
    file.write(word)

    with writing_on(file, [word]):
        sizes = {path.stat().st_size for _ in range(5000)}

    assert sizes == {len(encode(word))}


def test_of_two_who_leave_a_word_at_once_neither_spoils_the_others(outbox: Outbox, tmp_path: Path) -> None:
    """As where the loop is done just when the watchdog's time is up."""
    words = [final_report(outbox, Reason.IDLE, "Nobody spoke. " * count) for count in (20, 1)]
    together = threading.Barrier(len(words))

    def leave(file: FinalReportFile, word: FinalReport) -> None:
        together.wait()
        file.write(word)

    with ThreadPoolExecutor(len(words)) as threads:
        for number in range(500):
            path = tmp_path / str(number)
            file = FinalReportFile(path)
            for leaving in [threads.submit(leave, file, word) for word in words]:
                leaving.result()
            assert read_back(path) in words


def test_where_space_is_short_tools_are_summed_up_before_models(outbox: Outbox) -> None:
    for count in range(20):
        outbox.record(ToolCalled(f"{count:03}".ljust(128, "x"), "ok", 1.0))
    outbox.record(TokensUsed("gemini", Tokens(prompt_tokens=1)))
    outbox.report()
    outbox.acknowledge(1)
    outbox.record(ToolCalled("save_product", "error", 1.0))

    word = final_report(outbox, Reason.COMPLETED, "")

    assert word.totals.tool_calls == {OTHER: ToolCalls(ok=20, error=1)}
    assert word.acked_totals.tool_calls == {OTHER: ToolCalls(ok=20)}
    assert word.totals.models == {"gemini": ModelUsage(prompt_tokens=1)}


def test_then_services_are_left_out_before_models_are_summed_up(outbox: Outbox) -> None:
    for count in range(12):
        outbox.record(Synthesized(f"{count}".ljust(64, "m"), 1, f"{count}".ljust(64, "s")))
    outbox.acknowledge(outbox.report().seq)

    word = final_report(outbox, Reason.COMPLETED, "x" * 600)

    assert word.totals.services == word.acked_totals.services == {}
    assert word.totals.models == word.acked_totals.models == outbox.totals.models


def test_the_services_of_a_cascaded_bot_are_in_it(outbox: Outbox) -> None:
    for _ in range(100):
        outbox.record(Transcribed("gpt-4o-transcribe", 3.21, "OpenAISTTService"))
        outbox.record(TokensUsed("gpt-4.1", Tokens(50_000, 300, 0, 0, 40_000), "OpenAILLMService"))
        outbox.record(Synthesized("gpt-4o-mini-tts", 250, "OpenAITTSService"))
        outbox.record(ToolCalled("search_products", "ok", 0.5))
        outbox.record(ToolCalled("save_product", "ok", 0.5))
    while not outbox.is_settled:
        outbox.acknowledge(outbox.report().seq)

    word = final_report(outbox, Reason.MODEL_LOST, "The model was lost. " * 30)

    assert (word.totals, word.acked_totals) == (outbox.totals, outbox.totals)


@given(
    st.text(max_size=2000),
    st.lists(st.text(min_size=1, max_size=128), max_size=40),
    st.lists(st.text(min_size=1, max_size=128), max_size=20),
    st.lists(st.text(min_size=1, max_size=64), max_size=20),
    st.integers(0, 2**53),
)
def test_it_is_never_too_long(
    message: str, tools: list[str], models: list[str], services: list[str], count: int
) -> None:
    outbox = Outbox(lambda: 1234.56789012345)
    for name in tools:
        outbox.record(ToolCalled(name, "error", 1.0))
    for name in models:
        outbox.record(TokensUsed(name, Tokens(*[count] * 7)))
    for name in services:
        outbox.record(Synthesized(name, count, name))
        outbox.record(Transcribed(name, count / 1e9, name))
    outbox.acknowledge(outbox.report().seq)

    assert len(encode(final_report(outbox, Reason.CRASHED, message))) < 4096


def test_a_message_is_one_line(outbox: Outbox) -> None:
    assert final_report(outbox, Reason.CRASHED, "one\ntwo\x00").message == "one two "


def test_the_one_left_when_the_end_is_decided_says_that_there_is_more_to_come(outbox: Outbox) -> None:
    first = final_report(outbox, Reason.IDLE, "", is_final=False)

    assert not read_final_report(encode(first)).is_final
    assert read_final_report(encode(final_report(outbox, Reason.IDLE, ""))).is_final


def test_no_early_word_takes_the_place_of_the_final_one(outbox: Outbox, tmp_path: Path) -> None:
    """A thread ends a bot that hangs, while its event loop takes in one more acknowledgement."""
    file = FinalReportFile(tmp_path / "last-word.json")
    file.write(final_report(outbox, Reason.IDLE, "early", is_final=False))
    file.write(final_report(outbox, Reason.IDLE, "final"))
    file.write(final_report(outbox, Reason.IDLE, "early again", is_final=False))

    assert read_back(tmp_path / "last-word.json").message == "final"
