"""docs/reference/cli.md is up to date, and complete."""

import pytest

from podline_cli.app import COMMANDS
from podline_cli.errors import ExitCode
from podline_cli.target import VARIABLES
from testing.cli_reference import PATH, generated


def test_what_is_committed_is_what_would_be_made() -> None:
    assert PATH.read_text(encoding="utf-8") == generated(), "run scripts/generate"


@pytest.mark.parametrize("name", [each.name for each in COMMANDS])
def test_each_command_has_its_part(name: str) -> None:
    assert f"\n## `podline {name}" in generated()


@pytest.mark.parametrize("code", ExitCode)
def test_each_exit_code_is_listed(code: ExitCode) -> None:
    assert f"\n| {code.value} | {code.meaning} |\n" in generated()


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_is_listed(name: str) -> None:
    assert f"\n| `{name}` |" in generated()
