"""The program itself: it starts with what is installed, and leaves the controller's commands to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from podline.contract.version import VERSION
from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Podline

ROOT = Path(__file__).parents[3]


def run(code: str, *words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory with nothing of ours in its environment."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", code, *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "{missing}" else find(name, package)
from podline_cli.__main__ import main
main(sys.argv[1:])
"""


INTERRUPTED = """
import sys
class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == "podline_cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interruption())
from podline_cli.__main__ import main
main(sys.argv[1:])
"""


def test_ctrl_c_while_a_command_is_being_loaded_is_one_line(tmp_path: Path) -> None:
    outcome = run(INTERRUPTED, "ps", directory=tmp_path)

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [("fastapi", "serve", "controller"), ("fastapi", "room", "controller"), ("typer", "ps", "cli")],
)
def test_a_missing_package_is_one_sentence_with_the_command_that_installs_it(
    tmp_path: Path, missing: str, command: str, extra: str
) -> None:
    outcome = run(WITHOUT.format(missing=missing), command, directory=tmp_path)

    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.count("\n") == 1
    assert f"uv tool install '.[{extra}]'" in outcome.stderr


def test_serve_is_the_controller_s(tmp_path: Path) -> None:
    code = "import sys; from podline_cli.__main__ import main; main(sys.argv[1:])"
    (tmp_path / ".env").write_text("PODLINE_PORT=loud\n")
    outcome = run(code, "serve", directory=tmp_path)

    assert outcome.returncode == 64
    assert outcome.stderr.startswith("podline: PODLINE_PORT:")


def test_room_is_the_controller_s(tmp_path: Path) -> None:
    code = "import sys; from podline_cli.__main__ import main; main(sys.argv[1:])"
    outcome = run(code, "room", "--help", directory=tmp_path)

    assert outcome.returncode == 0
    assert "export $(podline room)" in outcome.stdout


@pytest.mark.parametrize("words", [("--version",), ("context", "--help"), ("ps", "--help")])
def test_a_command_loads_nothing_of_controller_or_bot(tmp_path: Path, words: tuple[str, ...]) -> None:
    code = """
import sys
from podline_cli.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
    loaded = run(code, *words, directory=tmp_path).stderr.split()

    assert "podline_cli" in loaded
    assert not {"bot", "controller", "sandbox", "fastapi", "pipecat", "kubernetes"} & {*loaded}


def test_the_version_is_the_release_s(podline: Podline) -> None:
    assert podline("--version").out == f"podline {VERSION}\n"


def test_all_commands_are_in_the_help(podline: Podline) -> None:
    out = podline("--help").out

    assert all(f"  {name} " in out for name in ("ps", "show", "logs", "deploy", "context", "serve", "room"))


def test_no_command_is_a_usage_error_with_the_help(podline: Podline) -> None:
    assert podline().code == ExitCode.USAGE


def test_an_argument_that_is_no_text_is_a_usage_error(podline: Podline) -> None:
    outcome = podline("show", "caf\udce9")

    assert (outcome.code, outcome.err.count("\n")) == (ExitCode.USAGE, 1)


@pytest.mark.parametrize("name", ["config", "config/podline", "config/podline/contexts.toml"])
def test_a_home_that_is_not_as_it_should_be_ends_in_a_sentence(
    podline: Podline, home: Path, name: str
) -> None:
    blocker = home / name
    blocker.parent.mkdir(parents=True, exist_ok=True)
    if blocker.suffix:
        blocker.mkdir()
    else:
        blocker.touch()
    outcome = podline("context", "set", "prod", "--url", "https://a.example")

    assert outcome.code in (ExitCode.FAILED, ExitCode.USAGE)
    assert outcome.err.count("\n") == 1
    assert str(home / "config" / "podline" / "contexts.toml") in outcome.err
