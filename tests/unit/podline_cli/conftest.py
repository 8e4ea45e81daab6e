"""`podline` run in this process, with a home and a controller of its own."""

import io
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from podline_cli.__main__ import main
from podline_cli.running import STOPPING
from tests.unit.podline_cli.fake_api import FakeApi, serve


@dataclass
class Outcome:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Podline = Callable[..., Outcome]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serve(FakeApi()) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a person's settings, and no variables of ours."""
    for name in ("PODLINE_URL", "PODLINE_KEY", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def podline(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Podline]:
    handlers = {number: signal.getsignal(number) for number in STOPPING}

    def run(*words: str, stdin: str = "", **variables: str) -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(home)
            patch.setattr("sys.stdin", io.StringIO(stdin))
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main(words)
        written = capsys.readouterr()
        code = end.value.code
        return Outcome(code if isinstance(code, int) else 0 if code is None else 1, *written)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def at(podline: Podline, api: FakeApi) -> Podline:
    """The command against the fake controller."""

    def run(*words: str, stdin: str = "", **variables: str) -> Outcome:
        return podline(*words, stdin=stdin, **{"PODLINE_URL": api.url, **variables})

    return run
