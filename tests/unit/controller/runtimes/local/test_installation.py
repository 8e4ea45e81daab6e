"""The id of an installation on one machine: made once, found again, and used by one controller at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from controller.runtimes.local import installation
from controller.runtimes.local.installation import LocalInstallation, state_directory


@pytest.fixture
def of() -> Iterator[Callable[[Path | None], LocalInstallation]]:
    """Return a way to make installations, each of which would make another id. Close them at the end."""
    numbers = count(1)
    opened: list[LocalInstallation] = []

    def open_one(directory: Path | None) -> LocalInstallation:
        opened.append(LocalInstallation(directory, lambda: f"{next(numbers):010x}"))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


Of = Callable[[Path | None], LocalInstallation]


def test_it_is_made_once_and_found_again(of: Of, tmp_path: Path) -> None:
    first = of(tmp_path / "a" / "b")
    assert (first.id, first.id) == ("0000000001", "0000000001")
    first.close()

    assert of(tmp_path / "a" / "b").id == "0000000001"
    assert first.id == "0000000001"


def test_nothing_is_touched_before_it_is_needed(of: Of, tmp_path: Path) -> None:
    of(tmp_path / "state").close()

    assert list(tmp_path.iterdir()) == []


def test_controllers_at_the_same_time_have_different_ones_and_keep_them(of: Of, tmp_path: Path) -> None:
    first, second = of(tmp_path), of(tmp_path)
    assert (first.id, second.id) == ("0000000001", "0000000002")

    first.close()
    third = of(tmp_path)
    assert third.id == "0000000001"
    second.close()
    assert of(tmp_path).id == "0000000002"


def test_another_process_has_another_and_leaves_it_when_it_is_killed(of: Of, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from controller.runtimes.local.installation import LocalInstallation\n"
        "it = LocalInstallation(pathlib.Path(sys.argv[1]), lambda: 'a' * 10)\n"
        "print(it.id, flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(  # noqa: S603 - this test's own program
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"aaaaaaaaaa\n"
        assert of(tmp_path).id == "0000000001"
        other.kill()
        other.wait()
        assert of(tmp_path).id == "aaaaaaaaaa"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0123456789",
        b"0123456789\n\n",
        b"0123456789ab\n",
        b"ABCDEF0123\n",
        b"../../../x\n",
        b"\0" * 4096,
    ],
)
def test_a_damaged_file_gets_another_id_which_is_kept(text: bytes, of: Of, tmp_path: Path) -> None:
    (tmp_path / "installation-1").write_bytes(text)

    damaged = of(tmp_path)
    assert damaged.id == "0000000001"
    damaged.close()
    assert of(tmp_path).id == "0000000001"


def test_a_deleted_file_gets_another_id(of: Of, tmp_path: Path) -> None:
    first = of(tmp_path)
    assert first.id == "0000000001"
    (tmp_path / "installation-1").unlink()

    assert of(tmp_path).id == "0000000002"
    assert first.id == "0000000001"


def test_without_a_place_to_keep_it_each_controller_has_its_own(
    of: Of, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "installation-1").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("0123456789\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "installation-1").symlink_to(elsewhere)

    places = [None, tmp_path / "file", tmp_path / "taken", tmp_path / "linked"]
    ids = [of(place).id for place in places]

    assert ids == ["0000000001", "0000000002", "0000000003", "0000000004"]
    assert [record.message for record in caplog.records] == ["installation id not kept"] * 3


def test_more_controllers_than_files_have_ids_too(
    of: Of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_MOST_AT_ONCE", 2)

    assert len({of(tmp_path).id for _ in range(4)}) == 4
    assert sorted(file.name for file in tmp_path.iterdir()) == ["installation-1", "installation-2"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HOME": "/home/ana"}, "/home/ana/.local/state/podline"),
        ({"HOME": "/home/ana", "XDG_STATE_HOME": "/state"}, "/state/podline"),
        ({"HOME": "/home/ana", "XDG_STATE_HOME": "state"}, "/home/ana/.local/state/podline"),
        ({"HOME": "", "XDG_STATE_HOME": ""}, None),
        ({}, None),
    ],
)
def test_it_is_kept_where_programs_keep_their_state(variables: dict[str, str], expected: str | None) -> None:
    assert state_directory(variables) == (None if expected is None else Path(expected))
