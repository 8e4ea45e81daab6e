"""docs/reference/agent-definitions.md is what the code says of keys and of broken definitions."""

import re

import pytest

from controller.agents.keys import KEYS
from testing.agents_reference import BROKEN, PATH, generated, problem_of


def test_the_reference_is_as_generated() -> None:
    assert PATH.read_text(encoding="utf-8") == generated(), "run scripts/generate"


@pytest.mark.parametrize(("file", "content"), BROKEN)
def test_a_problem_names_file_key_and_remedy(file: str, content: str) -> None:
    problem = problem_of(file, content)

    assert problem.startswith(f"{file}: ")
    names = re.findall(r"^([a-z_]+) =", content, re.MULTILINE)
    assert "correct its TOML" in problem or any(f"{file}: {name}" in problem for name in names)
    assert re.search(r": (write|remove|move|correct|there is no such key, so remove) ?", problem)
    assert KEYS[file]
