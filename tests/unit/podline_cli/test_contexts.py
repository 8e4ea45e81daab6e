"""Contexts: which controller a command talks to, and who gets to see the key."""

import json
import os
import stat
from pathlib import Path

import pytest

from podline_cli.contexts import Context, Contexts, read_contexts, write_contexts
from podline_cli.errors import CommandError, ExitCode
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import FakeApi

KEY = "key-of-the-operator"


@pytest.fixture
def file(home: Path) -> Path:
    return home / "config" / "podline" / "contexts.toml"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_context_is_used_at_once(podline: Podline, api: FakeApi) -> None:
    podline("context", "set", "prod", "--url", api.url)

    assert podline("ps").code == ExitCode.OK
    assert [each.path.partition("?")[0] for each in api.seen] == ["/v1/sessions"] * 3


def test_a_key_from_standard_input_is_sent_to_its_controller(podline: Podline, api: FakeApi) -> None:
    api.key = KEY
    podline("context", "set", "prod", "--url", api.url, "--key-stdin", stdin=f"{KEY}\n")

    assert podline("agents").code == ExitCode.OK


def test_a_key_from_a_file_is_sent_to_its_controller(podline: Podline, api: FakeApi, tmp_path: Path) -> None:
    api.key = KEY
    (tmp_path / "key").write_text(f"{KEY}\n")
    podline("context", "set", "prod", "--url", api.url, "--key-file", str(tmp_path / "key"))

    assert podline("agents").code == ExitCode.OK


def test_the_file_and_its_directory_are_for_their_owner_only(podline: Podline, file: Path) -> None:
    podline("context", "set", "prod", "--url", "https://voice.example.com", "--key-stdin", stdin=KEY)

    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert [each.name for each in file.parent.iterdir()] == ["contexts.toml"]


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_or_change_is_refused_with_the_remedy(
    podline: Podline, file: Path, bits: int
) -> None:
    podline("context", "set", "prod", "--url", "https://voice.example.com", "--key-stdin", stdin=KEY)
    file.chmod(bits)
    outcome = podline("ps")

    assert outcome.code == ExitCode.USAGE
    assert f"chmod 600 {file}" in outcome.err


@pytest.mark.parametrize("command", [("list",), ("show",), ("list", "-o", "json"), ("show", "-o", "json")])
def test_no_command_shows_a_key(podline: Podline, command: tuple[str, ...]) -> None:
    url = "https://voice.example.com"
    set_up = podline("context", "set", "prod", "--url", url, "--key-stdin", "-o", "json", stdin=KEY)
    shown = podline("context", *command)

    assert shown.code == ExitCode.OK
    assert url in shown.out
    assert KEY not in shown.out + shown.err + set_up.out + set_up.err


def test_no_option_takes_a_key(podline: Podline) -> None:
    outcome = podline("context", "set", "prod", "--url", "https://voice.example.com", "--key", KEY)

    assert outcome.code == ExitCode.USAGE


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "one\ntwo"])
def test_a_key_that_no_header_may_hold_is_refused_and_not_repeated(podline: Podline, key: str) -> None:
    outcome = podline("context", "set", "prod", "--url", "https://a.example", "--key-stdin", stdin=key)

    assert outcome.code == ExitCode.USAGE
    assert not key or key not in outcome.err


def test_a_key_is_kept_when_its_controller_gets_another_path(podline: Podline, file: Path) -> None:
    podline("context", "set", "prod", "--url", "https://a.example", "--key-stdin", stdin=KEY)
    podline("context", "set", "prod", "--url", "https://a.example/podline")

    assert read_contexts(file).named("prod") == Context("https://a.example/podline", KEY)


def test_a_key_is_removed_when_its_context_points_to_another_server(podline: Podline, file: Path) -> None:
    podline("context", "set", "prod", "--url", "https://a.example", "--key-stdin", stdin=KEY)
    outcome = podline("context", "set", "prod", "--url", "https://b.example")

    assert read_contexts(file).named("prod") == Context("https://b.example")
    assert "removed" in outcome.err


def test_the_url_of_a_variable_gets_no_key_of_a_context(podline: Podline, api: FakeApi) -> None:
    podline("context", "set", "prod", "--url", "https://a.example", "--key-stdin", stdin=KEY)
    podline("ps", PODLINE_URL=api.url)

    assert {each.headers.get("authorization") for each in api.seen} == {None}


def test_the_key_of_a_variable_is_used_with_the_context_in_use(podline: Podline, api: FakeApi) -> None:
    podline("context", "set", "prod", "--url", api.url)
    podline("agents", PODLINE_KEY=KEY)

    assert [each.headers.get("authorization") for each in api.seen] == [f"Bearer {KEY}"]


def test_an_option_overrides_the_variables(podline: Podline, api: FakeApi) -> None:
    podline("context", "set", "here", "--url", api.url)
    outcome = podline("agents", "--context", "here", PODLINE_URL="http://127.0.0.1:1", PODLINE_KEY=KEY)

    assert outcome.code == ExitCode.OK
    assert [each.headers.get("authorization") for each in api.seen] == [None]


def test_without_a_context_commands_talk_to_this_machine(podline: Podline) -> None:
    shown = json.loads(podline("context", "show", "-o", "json").out)

    assert (shown["url"], shown["has_key"]) == ("http://127.0.0.1:7860", False)


def test_use_changes_which_context_commands_talk_to(podline: Podline) -> None:
    for name in ("one", "two"):
        podline("context", "set", name, "--url", f"https://{name}.example")
    podline("context", "use", "two")

    listed = json.loads(podline("context", "list", "-o", "json").out)
    assert listed["current"] == "two"
    assert "*\ttwo\thttps://two.example\tno" in podline("context", "list").out


def test_a_deleted_context_takes_its_key_with_it(podline: Podline, file: Path) -> None:
    podline("context", "set", "prod", "--url", "https://a.example", "--key-stdin", stdin=KEY)
    outcome = podline("context", "delete", "prod")

    assert (outcome.code, read_contexts(file)) == (ExitCode.OK, Contexts())
    assert KEY not in file.read_text()


@pytest.mark.parametrize("command", [("use", "nope"), ("delete", "nope"), ("show", "--context", "nope")])
def test_a_context_that_is_not_there_is_named_with_those_that_are(
    podline: Podline, command: tuple[str, ...]
) -> None:
    podline("context", "set", "prod", "--url", "https://a.example")
    outcome = podline("context", *command)

    assert outcome.code == ExitCode.NOT_FOUND
    assert "prod" in outcome.err


@pytest.mark.parametrize(
    "url",
    [
        "voice.example.com",
        "ftp://voice.example.com",
        "https://",
        "https://user:secret@voice.example.com",
        "https://voice.example.com?key=secret",
        "https://voice.example.com:port",
        "https://voice.example.com/\x1b[2J",
        "https://[::1",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(podline: Podline, url: str) -> None:
    outcome = podline("context", "set", "prod", "--url", url)

    assert outcome.code == ExitCode.USAGE
    assert "secret" not in outcome.err
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 64, "a\x1b"])
def test_a_name_that_a_file_or_a_terminal_would_misread_is_refused(podline: Podline, name: str) -> None:
    assert podline("context", "set", "--url", "https://a.example", "--", name).code == ExitCode.USAGE


def test_a_key_that_crosses_a_network_in_the_clear_gets_a_warning(podline: Podline) -> None:
    outcome = podline("context", "set", "prod", "--url", "http://voice.example.com", "--key-stdin", stdin=KEY)

    assert "unencrypted" in outcome.err


def test_a_key_for_this_machine_gets_no_warning(at: Podline) -> None:
    assert at("agents", PODLINE_KEY=KEY).err.startswith("No agents.")


@pytest.mark.parametrize(
    "content",
    [
        "current = ",
        "current = 3",
        "contexts = 3",
        "[contexts.prod]\nurl = 3",
        "[contexts.prod]\nkey = 'k'",
        "[contexts.prod]\nurl = 'https://a.example'\nkey = ['k']",
        "[contexts.prod]\nurl = 'https://a.example'\nkey = 'key\u00e9-of-the-operator'",
        "[contexts.'a b']\nurl = 'https://a.example'",
        "[contexts.prod]\nurl = 'javascript:alert(1)'",
        "x = " + "[" * 5000,
        "a" * 2_000_000,
        "\0",
    ],
    ids=range(12),
)
def test_a_file_that_is_not_ours_is_refused_in_one_sentence(
    podline: Podline, file: Path, content: str
) -> None:
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text(content)
    outcome = podline("ps")

    assert outcome.code == ExitCode.USAGE
    assert outcome.err.count("\n") == 1
    assert str(file) in outcome.err
    assert "of-the-operator" not in outcome.err


def test_bytes_that_are_no_text_are_refused(podline: Podline, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_bytes(b"\xff\xfe")

    assert podline("ps").code == ExitCode.USAGE


def test_a_current_context_that_is_gone_counts_as_none(podline: Podline, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text("current = 'gone'\n")

    assert json.loads(podline("context", "show", "-o", "json").out)["context"] is None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    contexts = Contexts(
        "a.b-c", {"a.b-c": Context("https://a.example/x", '"quo\\ted"'), "d": Context("http://[::1]:1")}
    )
    write_contexts(tmp_path / "podline" / "contexts.toml", contexts)

    assert read_contexts(tmp_path / "podline" / "contexts.toml") == contexts


def test_a_pipe_in_place_of_the_file_does_not_hold_a_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "contexts.toml", mode=0o600)

    with pytest.raises(CommandError, match="not a regular file"):
        read_contexts(tmp_path / "contexts.toml")
