"""The previous release, as it is got from the repository's history."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testing.builds import previous_release
from testing.builds.checkouts import RevisionUnavailableError
from testing.builds.previous_release import COMMIT, ensure_previous_release
from testing.processes import ROOT


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "podline" / "releases"


def test_it_is_outside_this_checkout_and_imports_its_own_packages(cache: Path) -> None:
    release = ensure_previous_release()
    again = ensure_previous_release()

    assert release == again
    assert release.tree == cache / COMMIT[:12]
    program = "import podline, controller; print(podline.__path__[0], controller.__path__[0])"
    found = subprocess.run(  # noqa: S603 - our own
        [release.python, "-c", program],
        cwd=cache,
        env=release.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(release.tree / "podline"), str(release.tree / "controller")]


def test_a_checkout_without_history_is_told_in_one_sentence(cache: Path) -> None:
    with pytest.raises(RevisionUnavailableError) as caught:
        ensure_previous_release("0" * 40)

    assert str(caught.value) == (
        "The previous release, commit 00000000, is not in this checkout's history: get all of it with "
        "`git fetch --unshallow`."
    )
    assert [each.name for each in cache.iterdir()] == ["lock"]


def test_it_is_made_available_by_a_command(cache: Path) -> None:
    module = previous_release.__name__
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"{cache / COMMIT[:12]}\n")
