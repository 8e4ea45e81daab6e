"""The files that an import has read are known, and that one of them is another by now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
# In a process of its own: what watches can't be removed.
WATCHES = """
import os, sys
from pathlib import Path
from podline.runner.forking.files_read import FilesRead

sys.path.insert(0, os.getcwd())
files = FilesRead()
files.watch(os.path.abspath(".env"))
import shop
files.stop()
Path("later.txt").read_text()
print(files.have_changed())
{change}
print(files.have_changed())
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text("import prices\nTEXT = open('prompt.txt').read()\nopen('log', 'a')\n")
    for name in ("prices.py", "prompt.txt", "later.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("", "False"),
        ("Path('prices.py').write_text('A = 1')", "True"),
        ("Path('prompt.txt').write_text('Be kind.')", "True"),
        ("Path('prompt.txt').unlink()", "True"),
        ("Path('.env').write_text('A=1')", "True"),
        ("Path('later.txt').write_text('a')", "False"),
        ("Path('log').write_text('a')", "False"),
        ("Path('other.py').write_text('A = 1')", "False"),
    ],
)
@pytest.mark.parametrize("before", ["", "compileall"])
def test_a_change_of_what_was_read_is_noticed_and_of_nothing_else(
    directory: Path,
    change: str,
    expected: str,
    before: str,
) -> None:
    if before:
        subprocess.run([sys.executable, "-m", before, "-q", "."], cwd=directory, check=True)  # noqa: S603
    done = subprocess.run(  # noqa: S603 - the tests' own command
        [sys.executable, "-c", WATCHES.format(change=change)],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split() == ["False", expected]
