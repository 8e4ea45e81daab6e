"""What a person sees at a terminal, and that a pipe gets none of it."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import FakeApi, session

ROOT = Path(__file__).parents[3]


class Terminal:
    """A program at a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self._ours = ours
        self._shown = b""

    def until(self, words: str) -> str:
        """Read until it has shown these words, or to its end."""
        while words.encode() not in self._shown:
            try:
                self._shown += os.read(self._ours, 65536)
            except OSError:  # Linux's way to say that nobody writes any more
                break
        return self._shown.decode()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())


@contextmanager
def terminal(directory: Path, *words: str, **variables: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "podline_cli", *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"}
        | {"HOME": str(directory), "LANG": "C.UTF-8", **variables},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
        process.wait(timeout=20)
    finally:
        process.kill()
        os.close(ours)


ENDLESS = "\x00"


def test_show_draws_the_call(api: FakeApi, tmp_path: Path) -> None:
    api.sessions = [session()]
    with terminal(tmp_path, "show", "cart-7f3a", PODLINE_URL=api.url) as shown:
        seen = shown.until(ENDLESS)

    assert all(words in seen for words in ("caller_left", "first_speech", "█", "interruption", "gemini-live"))
    assert "\x1b[" in seen


def test_an_id_can_be_copied_whole_from_a_narrow_terminal(api: FakeApi, tmp_path: Path) -> None:
    api.sessions = [session("01a22919-3d77-70f9-a71a-680ddd430ce2")]
    with terminal(tmp_path, "ps", "--all", PODLINE_URL=api.url, COLUMNS="50") as shown:
        seen = shown.until(ENDLESS)

    assert all(
        words in seen for words in ("01a22919-3d77-70f9-a71a-680ddd430ce2", "0.0125 USD", "caller_left")
    )


def test_no_color_takes_the_colours_away(api: FakeApi, tmp_path: Path) -> None:
    api.sessions = [session()]
    with terminal(tmp_path, "show", "cart-7f3a", PODLINE_URL=api.url, NO_COLOR="1") as shown:
        seen = shown.until(ENDLESS)

    assert "█" in seen
    assert not [code for code in ("\x1b[3", "\x1b[9", "\x1b[1;3") if code in seen]


@pytest.mark.parametrize("command", [("show", "cart-7f3a"), ("ps", "--all"), ("agents",), ("--help",)])
def test_a_pipe_gets_neither_colours_nor_boxes_nor_cut_words(
    at: Podline, api: FakeApi, command: tuple[str, ...]
) -> None:
    api.sessions = [session(message="w" * 300)]
    outcome = at(*command, COLUMNS="40", FORCE_COLOR="")

    assert outcome.out.isascii()
    assert "\x1b" not in outcome.out + outcome.err
    assert command[0] != "show" or "w" * 300 in outcome.out


def test_delete_asks_first_and_a_no_deletes_nothing(api: FakeApi, tmp_path: Path) -> None:
    with terminal(tmp_path, "delete", "shopping", PODLINE_URL=api.url) as asked:
        asked.until("[y/N]")
        asked.type("n\n")
        asked.until(ENDLESS)

    assert (asked.process.returncode, api.seen) == (ExitCode.FAILED, [])


def test_deleting_a_secret_set_asks_first_and_a_yes_deletes_it(api: FakeApi, tmp_path: Path) -> None:
    api.secret_sets = {"clerk-keys": {"TOKEN": "very-secret"}}
    with terminal(tmp_path, "secrets", "delete", "clerk-keys", PODLINE_URL=api.url) as asked:
        asked.until("[y/N]")
        asked.type("y\n")
        asked.until(ENDLESS)

    assert (asked.process.returncode, api.secret_sets) == (ExitCode.OK, {})


def test_a_key_that_is_typed_is_not_shown(api: FakeApi, tmp_path: Path) -> None:
    words = ("context", "set", "prod", "--url", api.url, "--key-stdin")
    with terminal(tmp_path, *words) as asked:
        asked.until("Key: ")
        asked.type("key-of-the-operator\n")
        seen = asked.until(ENDLESS)

    assert asked.process.returncode == ExitCode.OK
    assert "of-the-operator" not in seen
    assert "key-of-the-operator" in (tmp_path / ".config" / "podline" / "contexts.toml").read_text()


def test_a_secret_that_is_typed_is_not_shown(api: FakeApi, tmp_path: Path) -> None:
    with terminal(tmp_path, "secrets", "set", "clerk-keys", "TOKEN", PODLINE_URL=api.url) as asked:
        asked.until("TOKEN: ")
        asked.type("very-secret\n")
        seen = asked.until(ENDLESS)

    assert asked.process.returncode == ExitCode.OK
    assert api.secret_sets == {"clerk-keys": {"TOKEN": "very-secret"}}
    assert "very-secret" not in seen


def test_ctrl_c_ends_a_followed_log_without_a_traceback(api: FakeApi, tmp_path: Path) -> None:
    api.sessions = [session("live-1", phase="live")]
    api.held = b"the bot speaks\n"
    with terminal(tmp_path, "logs", "live-1", "-f", PODLINE_URL=api.url) as following:
        following.until("the bot speaks")
        following.process.send_signal(signal.SIGINT)
        seen = following.until(ENDLESS)
        api.release.set()

    assert following.process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in seen
    assert "Interrupted." in seen
