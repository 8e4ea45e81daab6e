"""The projects that tests of whole calls run: as Pipecat writes them, and broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from testing.processes import ROOT
from testing.projects.broken_bots import BROKEN_BOTS, bot_rows, definition_rows
from testing.projects.broken_calls import BROKEN_CALLS
from testing.projects.broken_imports import BROKEN_IMPORTS
from testing.projects.generated import CASCADE, REALTIME, Kind, generate


@pytest.mark.parametrize("kind", [REALTIME, CASCADE], ids=lambda kind: kind.name)
def test_a_generated_project_needs_what_its_example_names(kind: Kind, tmp_path: Path) -> None:
    server = generate(kind, tmp_path, dict.fromkeys(kind.copied, "copied"))

    example = dotenv_values(server / ".env.example")
    given = dotenv_values(server / ".env")
    of_rooms = {name for name in example if name.startswith(("DAILY_", "LIVEKIT_"))}
    assert set(example) - of_rooms <= set(given)
    assert "async def bot(runner_args: RunnerArguments)" in (server / "bot.py").read_text()
    assert "podline" not in (server / "bot.py").read_text().lower()


def test_each_broken_bot_has_a_name_and_a_situation_of_its_own() -> None:
    assert len({bot.name for bot in BROKEN_BOTS}) == len(BROKEN_BOTS) >= 30
    assert len({bot.situation for bot in BROKEN_BOTS}) == len(BROKEN_BOTS)


def test_a_broken_bots_file_is_python_unless_that_is_its_fault() -> None:
    wrong = []
    for bot in BROKEN_BOTS:
        try:
            compile(bot.source, bot.name, "exec")
        except SyntaxError:
            wrong.append(bot.name)
    assert wrong == ["syntax-error"]


def test_the_page_has_a_row_for_each_with_what_its_author_reads() -> None:
    rows = [*bot_rows(BROKEN_IMPORTS), *bot_rows(BROKEN_CALLS), *definition_rows()]

    page = (ROOT / "docs" / "reference" / "broken-bots.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("|")] == rows
