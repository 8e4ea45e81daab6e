"""`podline init`: the files of a first bot."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.agents.definitions import read_definition
from podline_cli.errors import ExitCode
from testing.processes import ROOT
from tests.unit.podline_cli.conftest import Podline

SECRETS = "podline secrets set hello-secrets --file .env"


@pytest.fixture
def first_bot(podline: Podline, home: Path) -> Path:
    assert podline("init", "hello").code == ExitCode.OK
    return home / "hello"


def test_a_first_bot_can_be_run_by_any_runner(first_bot: Path) -> None:
    code = (first_bot / "bot.py").read_text()
    compile(code, "bot.py", "exec")
    [bot] = [
        each for each in ast.parse(code).body if isinstance(each, ast.AsyncFunctionDef) and each.name == "bot"
    ]

    assert [each.arg for each in bot.args.args] == ["runner_args"]
    assert not [line for line in code.splitlines() if "import podline" in line or "from podline" in line]


def test_its_definition_is_valid_and_all_of_it_has_an_effect(first_bot: Path) -> None:
    read = read_definition("other", {"pcc-deploy.toml": (first_bot / "pcc-deploy.toml").read_bytes()})

    assert read.definition.name == "hello"
    assert read.definition.secret_set == "hello-secrets"
    assert read.notes == ()


def test_keys_and_environments_are_kept_out_of_version_control(first_bot: Path) -> None:
    assert {".env", ".venv/"} <= set((first_bot / ".gitignore").read_text().splitlines())
    assert "GOOGLE_API_KEY=\n" in (first_bot / ".env.example").read_text()


def test_what_it_says_leads_to_a_first_deployment(podline: Podline, home: Path) -> None:
    said = podline("init", "hello").out
    readme = (home / "hello" / "README.md").read_text()

    for guide in (said, readme):
        steps = [guide.index(each) for each in (".env.example", SECRETS, "podline deploy")]
        assert steps == sorted(steps)
    assert 'secret_set = "hello-secrets"' in (home / "hello" / "pcc-deploy.toml").read_text()


def test_the_agent_is_named_after_its_directory_unless_it_is_told_its_name(podline: Podline) -> None:
    written = json.loads(podline("init", "Some Where", "--name", "clerk", "-o", "json").out)

    assert written["agent"] == "clerk"
    assert "bot.py" in written["files"]


def test_nothing_is_overwritten(podline: Podline, first_bot: Path) -> None:
    (first_bot / "bot.py").write_text("mine")
    outcome = podline("init", "hello")

    assert outcome.code == ExitCode.USAGE
    assert "bot.py" in outcome.err
    assert (first_bot / "bot.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["Hello", "start-here", "-x", "a" * 41, "shopping", "secrets"])
def test_a_name_that_no_agent_can_have_is_refused_with_the_way_out(
    podline: Podline, home: Path, name: str
) -> None:
    outcome = podline("init", "--name", name, "there")

    assert outcome.code == ExitCode.USAGE
    assert "--name" in outcome.err
    assert not (home / "there").exists()


@pytest.mark.parametrize(
    ("where", "why"),
    [("taken", "File exists"), ("taken/bot", "Not a directory"), ("a" * 300, "File name too long")],
)
def test_a_directory_that_cannot_be_made_is_one_sentence(where: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    outcome = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "podline_cli", "init", where, "--name", "clerk"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == ExitCode.FAILED
    assert outcome.stderr.endswith(f"{where} can't be used: {why}.\n")
    assert outcome.stderr.count("\n") == 1
