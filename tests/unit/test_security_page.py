"""docs/security.md names checks and tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:[\w./-]+/)?[\w.-]+\.(?:py|yaml|ts)(?:::\w+)?)`", PAGE)))


def file_of(name: str) -> Path:
    """A test that is named without a folder is an attack."""
    if "/" in name:
        return ROOT / name
    [found] = (ROOT / "tests" / "attacks").rglob(name)
    return found


@pytest.mark.parametrize("named", NAMED)
def test_each_check_and_test_that_the_page_names_is_there(named: str) -> None:
    name, _, test = named.partition("::")
    text = file_of(name).read_text()

    assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE)


def test_each_attack_is_on_the_page() -> None:
    attacks = {path.name for path in (ROOT / "tests" / "attacks").rglob("test_*.py")}

    assert {name for name in attacks if name not in PAGE} == set()
