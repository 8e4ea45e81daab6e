"""What a bench writes, shows and puts into the documentation, and what it says to a mistake."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from podline_cli.errors import CommandError
from scripts.benchmarks.benches import BENCHES, OF_ALL, Bench
from scripts.benchmarks.document import PAGES, benches_in, with_results
from scripts.benchmarks.running.results import COMPLETE, Results, ResultsFile, make_header, newest
from scripts.benchmarks.running.run import BenchProgress
from scripts.benchmarks.running.tables import MILLISECONDS, Comparison, Figure, table_of
from scripts.benchmarks.worker import module_of
from scripts.commands.bench import main

ANSWER = Figure("an answer", MILLISECONDS, (Comparison("ours", "bare"),), "at most 5 ms more")


def a_file(folder: Path) -> ResultsFile:
    return ResultsFile(folder, make_header("call", 3, "calls of each", {}))


def test_each_value_is_in_the_file_before_the_next_is_measured(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    file.sample("an answer", "ours", 0.25)
    assert Results.read(file.path).of("an answer", "ours") == [0.25]
    file.sample("an answer", "ours", 0.5)
    assert Results.read(file.path).of("an answer", "ours") == [0.25, 0.5]


def test_a_bench_that_was_killed_in_the_middle_of_a_line_keeps_the_lines_before_it(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    file.sample("an answer", "ours", 0.25)
    file.path.write_text(file.path.read_text() + '{"figure": "an ans')

    results = Results.read(file.path)

    assert results.of("an answer", "ours") == [0.25]
    assert results.end == ""


def test_only_complete_results_count_as_the_newest(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    file.end("interrupted")
    assert newest(tmp_path, "call") is None

    file = a_file(tmp_path)
    file.sample("an answer", "ours", 0.25)
    file.end(COMPLETE)
    found = newest(tmp_path, "call")
    assert found is not None
    assert found.of("an answer", "ours") == [0.25]


def test_the_header_names_date_commit_and_machine(tmp_path: Path) -> None:
    header = json.loads(a_file(tmp_path).path.read_text())

    assert header["bench"] == "call"
    assert all(header[name] for name in ("date", "commit", "machine"))


def test_a_table_has_medians_with_spread_and_compares_each_round(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    for ours, bare in ((0.110, 0.100), (0.230, 0.200), (0.120, 0.119)):
        file.sample("an answer", "ours", ours)
        file.sample("an answer", "bare", bare)

    table = table_of(Results.read(file.path), [ANSWER])

    assert list(table.headings) == ["", "ours", "bare", "compared by round", "target"]
    assert table.rows == [
        [
            "an answer",
            "120 ms (110 to 230)",
            "119 ms (100 to 200)",
            "ours - bare: +10 ms (+1 to +30)",
            "at most 5 ms more",
        ]
    ]
    assert table.markdown().splitlines()[1] == "|---|---|---|---|---|"


def test_a_table_of_a_bench_that_died_early_shows_what_there_is(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    file.sample("an answer", "ours", 0.25)

    assert table_of(Results.read(file.path), [ANSWER, Figure("a start", MILLISECONDS)]).rows == [
        ["an answer", "250 ms", "at most 5 ms more"]
    ]


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
def test_every_bench_makes_a_table_of_nothing(bench: Bench, tmp_path: Path) -> None:
    results = Results.read(ResultsFile(tmp_path, make_header(bench.name, 1, bench.unit, {})).path)

    assert module_of(bench).table(results).headings


def test_the_page_has_a_place_for_every_bench_of_all() -> None:
    for page in {bench.page for bench in OF_ALL}:
        documented = [bench.name for bench in OF_ALL if bench.page == page]
        assert sorted(benches_in((PAGES / page).read_text())) == sorted(documented)


def test_results_replace_what_is_between_the_marks_of_their_bench(tmp_path: Path) -> None:
    page = "a\n<!-- bench call -->\nold\n<!-- end -->\nb\n<!-- bench load -->\nkept\n<!-- end -->\n"
    results = {"call": Results.read(a_file(tmp_path).path)}

    written = with_results(page, results, lambda found: f"of {found.header.count} calls")

    assert written == (
        "a\n<!-- bench call -->\nof 3 calls\n<!-- end -->\nb\n<!-- bench load -->\nkept\n<!-- end -->\n"
    )


def test_the_list_has_a_row_for_each_bench(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])

    heading, *rows = capsys.readouterr().out.splitlines()
    assert "minutes" in heading
    assert [row.split()[0] for row in rows] == [bench.name for bench in BENCHES]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cal"], "There is no bench 'cal': scripts/bench --list names them."),
        (["call", "--count", "many"], "Invalid value for '--count'"),
        (["call", "--calls", "3"], "No such option: --calls"),
        (["call", "HEAD"], "'call' takes no 'HEAD'"),
        (["call", "--seed", "3"], "'call' draws nothing by chance: leave out --seed."),
        (["examples"], "'examples' needs a checkout of Pipecat's repository"),
        (["call", "--rate", "3"], "'call' takes no --rate"),
        (["call", "--minutes", "3"], "'call' takes no --minutes"),
        (["all", "--live", "3"], "'all' chooses for each bench"),
        (["all", "--count", "3"], "'all' chooses for each bench"),
        (["document", "--results", "/nowhere"], "/nowhere has no complete results"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: Sequence[str], sentence: str) -> None:
    with pytest.raises(CommandError) as raised:
        main(arguments)

    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_a_folder_that_can_not_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(CommandError, match=r"name another folder by --results\.$"):
        a_file(file)


def test_progress_says_how_much_remains_once_it_can_tell() -> None:
    said: list[str] = []
    progress = BenchProgress("call", said.append, is_terminal=True)

    progress.at(1, 2, "call")
    progress.at(2, 2, "call")

    first, second = said
    assert "call 1 of 2" in first
    assert "remain" not in first
    assert "call 2 of 2, about 0:00 remain" in second


def test_progress_is_few_lines_where_it_is_no_terminal() -> None:
    said: list[str] = []
    progress = BenchProgress("call", said.append, is_terminal=False)

    for number in range(1, 101):
        progress.at(number, 100, "call")

    assert [line.partition(": ")[2].partition(",")[0].strip() for line in said] == [
        "call 1 of 100",
        "call 100 of 100",
    ]
