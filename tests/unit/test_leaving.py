"""Pytest leaves with its exit code and without the interpreter's shutdown, in which native threads abort."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
class Witness:
    def __del__(self, write=__import__("os").write):
        write(2, b"the interpreter shut down\\n")

witness = Witness()

def test_passes():
    pass

def test_fails():
    assert False
"""


@pytest.mark.parametrize(
    ("program", "chosen", "code"), [("pytest", "passes", 0), ("pytest", "fails", 1), ("tests", "nothing", 5)]
)
def test_pytest_ends_with_the_code_of_its_session(
    program: str, chosen: str, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    run = subprocess.run(  # noqa: S603 - this test's own program
        [
            *(sys.executable, "-m", program, "-p", "tests.conftest", "-c", str(tmp_path / "pytest.ini")),
            *(str(file), "-q", "-k", chosen),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == code, run.stderr
    assert "1 passed" in run.stdout or chosen != "passes"
    assert "shut down" not in run.stderr


def test_the_witness_notices_a_shutdown() -> None:
    run = subprocess.run(  # noqa: S603 - likewise
        [sys.executable, "-c", TESTS], capture_output=True, text=True, timeout=60, check=True
    )

    assert "the interpreter shut down" in run.stderr
