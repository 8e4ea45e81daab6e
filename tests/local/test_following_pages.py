"""A reader who types the pages' commands gets what they promise; a block that isn't run says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.documents.markdown import Document, all_pages
from testing.documents.reader import Reader, ReaderStuckError, check_answer, reading
from testing.processes import free_port


def demo_of(page: Document) -> str:
    """What it starts, so that pages that start the same come after one another."""
    started = (block.text for block in page.blocks if "scripts/demo" in block.text and not block.reason)
    return min(started, default="")


def is_run(page: Document) -> bool:
    return any(block.language == "sh" and not block.reason for block in page.blocks)


PAGES = sorted(filter(is_run, all_pages()), key=demo_of)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with reading(tmp_path_factory.mktemp("reader"), free_port()) as reader:
        yield reader


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_reader_can_follow_the_page(page: Document, reader: Reader) -> None:
    reader.follow(page)


def test_a_command_that_fails_is_found(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```sh\nfalse | true\n```\n")

    with pytest.raises(ReaderStuckError, match="failed with status 1"):
        reader.follow(Document(page))


@pytest.mark.parametrize(
    ("language", "shown", "printed"),
    [
        ("json", '{"phase": "live", …}', '{"phase": "starting", "id": "1"}'),
        ("json", '{"phase": "live"}', '{"id": "1"}'),
        ("json", '{"phase": "live"}', "curl: (7)"),
        ("text", "0.4 s  bot heard", "0.4 s  caller heard"),
    ],
)
def test_an_answer_that_is_not_as_shown_is_found(language: str, shown: str, printed: str) -> None:
    with pytest.raises(ReaderStuckError):
        check_answer(shown, language, printed, "page.md:3")


def test_an_answer_may_differ_in_numbers_and_ids_and_in_what_is_left_out() -> None:
    check_answer(
        '{"id": "01a2…", "phase": "live", …}', "json", '{"id": "77bd", "phase": "live", "cost": 1}', ""
    )
