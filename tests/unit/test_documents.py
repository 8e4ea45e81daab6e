"""Every page names files and folders that are there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = [page for page in (ROOT / "examples").glob("**/README.md") if "node_modules" not in page.parts]
UPSTREAM = ROOT / "docs" / "upstream"
"""Reports about other projects, which name files of theirs."""
DOCS = [page for page in (ROOT / "docs").rglob("*.md") if UPSTREAM not in page.parents]
PAGES = [*ROOT.glob("*.md"), *DOCS, *EXAMPLES]
PACKAGES = "bot|controller|deploy|docs|examples|podline|sandbox|scripts|testing|tests"
TO_BE_MADE = {"deploy/overlays/ours"}
"""What a page has its reader create."""


def named_in(text: str) -> set[str]:
    """Paths from the root of the repository, in backticks."""
    return set(re.findall(rf"`((?:{PACKAGES})/[\w./\[\]-]*[\w\]])", text)) - TO_BE_MADE


def modules_in(text: str) -> set[str]:
    """Modules that a page names without their folder."""
    return set(re.findall(r"`(\w+\.py)[`:]", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_and_links_only_what_is_there(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    modules = {path.name for package in PACKAGES.split("|") for path in (ROOT / package).rglob("*.py")}

    assert [path for path in sorted(named_in(text)) if not (ROOT / path).exists()] == []
    assert [link for link in links if not (page.parent / unquote(link)).exists()] == []
    assert sorted(modules_in(text) - modules) == []
