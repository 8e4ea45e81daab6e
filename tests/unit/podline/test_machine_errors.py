"""What a machine refuses is told in one sentence, in whatever words it comes."""

from __future__ import annotations

import errno
import socket
import sqlite3
import tempfile
from pathlib import Path

import pytest

from podline.machine_errors import explain_error, explain_output, one_sentence


def test_a_taken_port_is_named_with_the_way_to_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as error:
            socket.create_server(("127.0.0.1", port))

    assert explain_error(error.value, "with PODLINE_PORT") == (
        f"Port {port} on 127.0.0.1 is taken by another program: stop that program, "
        "or choose another port with PODLINE_PORT."
    )


def test_a_full_disk_is_found_below_the_error_that_it_caused() -> None:
    outer = RuntimeError("not saved")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/data/calls.db")

    assert explain_error(outer) == (
        "The disk of /data/calls.db is full: free some space there, then run this again."
    )


def test_a_database_that_cannot_be_written_is_told_like_a_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    sqlite3.connect(path).execute("create table t (x)").connection.close()
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as error:
        database.execute("insert into t values (1)")
    database.close()

    assert "read-only file system" in (explain_error(error.value) or "")


def test_a_temporary_folder_that_does_not_exist_is_told_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(FileNotFoundError) as error:
        tempfile.mkdtemp()

    assert "TMPDIR" in (explain_error(error.value) or "")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: Failed to fetch: https://pypi.org/simple/x/\n  cause: dns error", "can't be reached"),
        ("  cause: tunnel error: failed to create underlying connection", "The proxy in HTTPS_PROXY"),
        ("ERROR: No matching distribution found for uv==0.13.9", "package registry"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "differs from"),
        ("npm error code EINTEGRITY", "differs from"),
        ("npm error code ENOSPC", "is full"),
        ("OSError: [Errno 28] No space left on device", "is full"),
        ("mkdir: cannot create directory '.venv': Read-only file system", "read-only file system"),
        ("Error: listen EADDRINUSE: address already in use :::3000", "is taken"),
    ],
)
def test_what_programs_print_is_recognized(said: str, told: str) -> None:
    sentence = explain_output(said, of_download=True)

    assert sentence is not None
    assert told in sentence
    assert "{" not in sentence


def test_other_errors_are_not_explained_away() -> None:
    with pytest.raises(KeyError), one_sentence("podline"):
        raise KeyError("a mistake of ours")
    assert explain_output("AssertionError: 1 != 2") is None


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("timed out"),
        RuntimeError("the bot ran out of memory"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        ValueError("HTTP error 404"),
    ],
    ids=repr,
)
def test_an_error_of_the_programs_own_work_is_not_taken_for_a_failed_download(error: Exception) -> None:
    assert explain_error(error) is None


@pytest.mark.parametrize(
    "said",
    [
        "error: timed out waiting for the condition on deployments/podline",
        "dial tcp: lookup api.example.com: Name or service not known",
        'Error from server: the server responded with "404 not found"',
    ],
)
def test_what_a_program_that_downloads_nothing_says_of_servers_is_its_own(said: str) -> None:
    assert explain_output(said) is None
