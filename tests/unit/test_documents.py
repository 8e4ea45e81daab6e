"""Every page links only to what is there, shows only code that is right, and is short enough to be read."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from testing.documents import commands
from testing.documents.content import problems
from testing.documents.markdown import ROOT, Document, all_pages, page_at

PAGES = all_pages()
MOST_WORDS = 3000
RECORDS = {"CHANGELOG.md"}
"""Looked up, not read from beginning to end, as those in docs/reference are."""
PACKAGES = "bot|controller|deploy|docs|examples|podline|podline_cli|sandbox|scripts|testing|tests"
TO_BE_MADE = {"deploy/overlays/ours"}
"""What a page has its reader create."""

every_page = pytest.mark.parametrize("page", PAGES, ids=str)


def named_in(text: str) -> set[str]:
    """Paths from the root of the repository, in backticks."""
    return set(re.findall(rf"`((?:{PACKAGES})/[\w./\[\]-]*[\w\]])", text)) - TO_BE_MADE


def modules_in(text: str) -> set[str]:
    """Modules that a page names without their folder."""
    return set(re.findall(r"`(\w+\.py)[`:]", text))


def broken_links(page: Document) -> list[str]:
    """Links of a page to files that are not there, or to parts that a page doesn't have."""
    broken: list[str] = []
    for link in page.links:
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = page.path.parent / unquote(target) if target else page.path
        is_broken = not path.exists()
        if anchor and path.suffix == ".md" and not is_broken:
            is_broken = anchor not in page_at(path.resolve()).anchors
        if is_broken:
            broken.append(link)
    return broken


@pytest.fixture(scope="module")
def modules() -> set[str]:
    return {path.name for package in PACKAGES.split("|") for path in (ROOT / package).rglob("*.py")}


@every_page
def test_a_page_names_only_what_is_there(page: Document, modules: set[str]) -> None:
    if page.path.parent == ROOT / "docs" / "upstream":  # about other people's code
        return
    assert [path for path in sorted(named_in(page.text)) if not (ROOT / path).exists()] == []
    assert sorted(modules_in(page.text) - modules) == []


@every_page
def test_a_page_links_only_to_pages_and_parts_of_pages_that_are_there(page: Document) -> None:
    assert broken_links(page) == []


@every_page
def test_the_code_that_a_page_shows_is_right(page: Document) -> None:
    wrong = {f"{page}:{block.line}": problems(block) for block in page.blocks}

    assert {place: found for place, found in wrong.items() if found} == {}


@every_page
def test_the_commands_that_a_page_shows_exist(page: Document) -> None:
    shell = [block for block in page.blocks if block.language == "sh"]
    wrong = {f"{page}:{block.line}": commands.problems(block) for block in shell}

    assert {place: found for place, found in wrong.items() if found} == {}


@every_page
def test_a_page_that_is_no_reference_can_be_read_in_one_sitting(page: Document) -> None:
    if str(page) in RECORDS or ROOT / "docs" / "reference" in page.path.parents:
        return
    assert page.words <= MOST_WORDS, "split it, or move what is looked up to docs/reference"


def test_the_index_leads_to_every_page_of_the_documentation() -> None:
    ways, reached = [ROOT / "docs" / "README.md"], set[Path]()
    while ways:
        path = ways.pop()
        reached.add(path)
        targets = {(path.parent / link.partition("#")[0]).resolve() for link in page_at(path).links}
        ways += [target for target in targets - reached if target.suffix == ".md" and target.exists()]

    pages = [page for page in PAGES if page.path.is_relative_to(ROOT / "docs")]
    assert [str(page) for page in pages if page.path not in reached] == []


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


def test_a_link_to_a_missing_part_is_found(page: Path) -> None:
    page.write_text(
        "# Its `code` & more\n\n## Twice\n\n## Twice\n\n"
        "[a](#its-code--more) [b](page.md#twice-1) [c](#thrice) [d](no.md)\n"
    )

    assert broken_links(Document(page)) == ["#thrice", "no.md"]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("json", '{"phase": "live", "colour": "red"}'),
        ("json", '{"phase": }'),
        ("toml", "idle_seconds = "),
        ("toml", "idle_minutes = 3"),
        ("yaml", "a: b: c"),
        ("yaml", "env: [{name: PODLINE_KAPACITY}]"),
        ("python", "def bot(:"),
        ("python", "from podline.gemini import GeminiDeadLLMService"),
        ("js", "const a = ;"),
        ("sh", "if true"),
        ("sh", "PODLINE_PROT=7861 scripts/demo"),
        ("cobol", "STOP RUN."),
    ],
)
def test_wrong_code_is_found(page: Path, language: str, code: str) -> None:
    page.write_text(f"# Page\n\n```{language}\n{code}\n```\n")
    [block] = Document(page).blocks

    assert problems(block) != []


@pytest.mark.parametrize(
    "command",
    [
        "scripts/demmo",
        "scripts/test --fast",
        "cat examples/agents/waterfall/bot.py",
        "curl localhost:7860/v1/session",
        "podline context set ours --uri https://voice.example.com",
        ".venv/bin/python -m sandbox.caller http://localhost:7860 --shout hello",
        "(cd examples/nextjs && npm run deploy)",
    ],
)
def test_a_command_that_does_not_exist_is_found(page: Path, command: str) -> None:
    page.write_text(f"# Page\n\n```sh\necho 'a; b' > /dev/null  # a comment; and more\n{command}\n```\n")
    [block] = Document(page).blocks

    assert len(commands.problems(block)) == 1


def test_a_block_has_its_reason_and_its_file_and_its_output(page: Path) -> None:
    page.write_text(
        "# Page\n\n<!-- not run: needs a cluster -->\n```sh\nkubectl get pods\n```\n\n"
        "```json\n{}\n```\n\nSave this as `agents/hello/bot.py`:\n\n```python\n```\n"
    )
    command, answer, bot = Document(page).blocks

    assert (command.reason, command.line) == ("needs a cluster", 4)
    assert answer.answers
    assert (bot.saved_as, bot.answers, bot.reason) == ("agents/hello/bot.py", False, None)
