"""`podline secrets`: variables are written from where no shell keeps them, and never shown."""

import json
from pathlib import Path

import pytest

from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Outcome, Podline
from tests.unit.podline_cli.fake_api import FakeApi, cloud_error

SET = "/v1/organizations/podline/secrets/clerk-keys"
VALUE = "very-secret"


def env_file(home: Path, content: str | bytes) -> Path:
    file = home / ".env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def set_from_file(at: Podline, home: Path, content: str | bytes, *more: str) -> Outcome:
    env_file(home, content)
    return at("secrets", "set", "clerk-keys", "--file", ".env", *more)


def test_the_variables_of_a_file_are_written_and_named(at: Podline, api: FakeApi, home: Path) -> None:
    outcome = set_from_file(at, home, f"# a comment\nexport A={VALUE}\n\nB='two words'\n")

    assert (outcome.code, outcome.out) == (ExitCode.OK, "VARIABLE\tFROM\nA\t.env\nB\t.env\n")
    assert 'secret_set = "clerk-keys"' in outcome.err
    assert api.secret_sets == {"clerk-keys": {"A": VALUE, "B": "two words"}}
    assert api.seen[0].body == {"isImagePullSecret": False, "secretKey": "A", "secretValue": VALUE}


def test_a_value_is_written_as_it_stands_in_the_file(at: Podline, api: FakeApi, home: Path) -> None:
    set_from_file(at, home, "A=pa$$word-${HOME}\n")

    assert api.secret_sets["clerk-keys"] == {"A": "pa$$word-${HOME}"}


def test_names_choose_among_those_of_the_file(at: Podline, api: FakeApi, home: Path) -> None:
    set_from_file(at, home, "A=1\nB=2\n", "B")

    assert api.secret_sets == {"clerk-keys": {"B": "2"}}


def test_a_name_that_is_not_in_the_file_is_named(at: Podline, api: FakeApi, home: Path) -> None:
    outcome = set_from_file(at, home, f"A={VALUE}\n", "A", "B")

    assert (outcome.code, api.seen) == (ExitCode.USAGE, [])
    assert outcome.err.startswith(".env has no B:")


def test_what_the_file_leaves_empty_or_a_call_sets_itself_is_left_out(
    at: Podline, api: FakeApi, home: Path
) -> None:
    outcome = set_from_file(at, home, "A=1\nEMPTY=\nSESSION_ID=x\nPODLINE_AGENT=\n")

    assert api.secret_sets == {"clerk-keys": {"A": "1"}}
    assert "no value: EMPTY." in outcome.err
    assert "sets its own: SESSION_ID, PODLINE_AGENT." in outcome.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("GOOGLE_API_KEY=\n", "fill in a line NAME=VALUE"),
        ("", "no variable to write"),
        ("A=1\n\n\nvery-secret\n", "line 4"),
        ("A=1\nB='very-secret\n", "line 2"),
        ("A=1\nvery-secret.x=1\n", "line 2"),
        (b"A=very-secret\xff\n", "UTF-8"),
        ("A=" + VALUE * 100_000, "1 MB"),
        ("A=" + VALUE * 3000, "more than 32768 characters"),
        ("A=very-secret\0\n", "no text"),
    ],
    ids=range(9),
)
def test_a_file_that_can_not_be_written_whole_is_not_begun(
    at: Podline, api: FakeApi, home: Path, content: str | bytes, sentence: str
) -> None:
    outcome = set_from_file(at, home, content)

    assert (outcome.code, api.seen) == (ExitCode.USAGE, [])
    assert sentence in outcome.err
    assert VALUE not in outcome.out + outcome.err


def test_a_file_that_is_not_there_is_named(at: Podline) -> None:
    outcome = at("secrets", "set", "clerk-keys", "--file", ".env")

    assert (outcome.code, ".env can't be read" in outcome.err) == (ExitCode.USAGE, True)


def test_named_variables_come_from_the_environment(at: Podline, api: FakeApi) -> None:
    outcome = at("secrets", "set", "clerk-keys", "A_KEY", "B_KEY", A_KEY=VALUE, B_KEY="2")

    assert outcome.out.splitlines()[1:] == ["A_KEY\tenvironment", "B_KEY\tenvironment"]
    assert api.secret_sets == {"clerk-keys": {"A_KEY": VALUE, "B_KEY": "2"}}


def test_one_that_is_not_set_is_read_from_standard_input_without_its_end_of_line(
    at: Podline, api: FakeApi
) -> None:
    outcome = at("secrets", "set", "clerk-keys", "A_KEY", "B_KEY", stdin="line 1\nline 2\n", A_KEY="1")

    assert outcome.out.splitlines()[1:] == ["A_KEY\tenvironment", "B_KEY\tstandard input"]
    assert api.secret_sets == {"clerk-keys": {"A_KEY": "1", "B_KEY": "line 1\nline 2"}}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--file .env"),
        (("A_KEY", "B_KEY"), "A_KEY, B_KEY are not set"),
        (("A_KEY",), "A_KEY has no value"),
        (("A_KEY=very-secret",), "shell keeps it in its history"),
        (("A_KEY", "very-secret!"), "NAME 2 can't be the name"),
        (("PODLINE_AGENT",), "a call sets itself"),
    ],
    ids=range(6),
)
def test_what_gives_no_value_says_how_to_give_one(
    at: Podline, api: FakeApi, words: tuple[str, ...], sentence: str
) -> None:
    outcome = at("secrets", "set", "clerk-keys", *words)

    assert (outcome.code, api.seen) == (ExitCode.USAGE, [])
    assert sentence in outcome.err
    assert VALUE not in outcome.err


def test_the_help_says_why_no_argument_takes_a_value(at: Podline) -> None:
    assert "keep it in its history" in " ".join(at("secrets", "set", "--help").out.split())


def test_json_has_names_and_sources_alone(at: Podline, home: Path) -> None:
    outcome = set_from_file(at, home, f"A={VALUE}\n", "-o", "json")

    assert json.loads(outcome.out) == {"set": "clerk-keys", "variables": [{"name": "A", "from": ".env"}]}
    assert outcome.err == ""


def test_a_refusal_amid_a_set_says_what_is_written(at: Podline, api: FakeApi, home: Path) -> None:
    api.most_of_a_set = 2
    outcome = set_from_file(at, home, "A=1\nB=2\nC=3\n")

    assert outcome.code == ExitCode.FAILED
    assert outcome.err == (
        "C was not written to clerk-keys, after A, B had been: A set has at most 2 variables.\n"
    )


def test_a_refusal_of_the_first_variable_is_the_controller_s_sentence(
    at: Podline, api: FakeApi, home: Path
) -> None:
    detail = "The secret set 'clerk-keys' holds image credentials. Choose another name."
    api.answers["PUT", SET] = cloud_error(422, "invalid_request", detail)
    outcome = set_from_file(at, home, f"A={VALUE}\n")

    assert (outcome.code, outcome.err) == (ExitCode.FAILED, f"{detail}\n")


def test_sets_are_listed_with_what_they_hold(at: Podline, api: FakeApi) -> None:
    api.secret_sets = {"clerk-keys": {"A": VALUE}}
    outcome = at("secrets", "list")

    assert outcome.out.splitlines() == [
        "SET\tHOLDS\tUPDATED",
        "clerk-keys\tvariables\t2026-11-30T09:00:00.000Z",
    ]
    assert json.loads(at("secrets", "list", "-o", "json").out)["sets"][0]["type"] == "secretSet"


def test_where_no_sets_are_the_command_that_writes_one_is_named(at: Podline) -> None:
    assert "podline secrets set" in at("secrets", "list").err


def test_a_set_is_listed_with_the_names_of_its_variables(at: Podline, api: FakeApi) -> None:
    api.secret_sets = {"clerk-keys": {"A": VALUE, "B": VALUE}}

    assert at("secrets", "list", "clerk-keys").out == "VARIABLE\nA\nB\n"
    assert json.loads(at("secrets", "list", "clerk-keys", "-o", "json").out)["secrets"] == [
        {"fieldName": "A"},
        {"fieldName": "B"},
    ]


@pytest.mark.parametrize("words", [("list", "clerk-keys"), ("delete", "clerk-keys", "--yes")])
def test_a_set_that_is_not_there_is_not_found(at: Podline, words: tuple[str, ...]) -> None:
    outcome = at("secrets", *words)

    assert (outcome.code, outcome.err) == (ExitCode.NOT_FOUND, "There is no secret set 'clerk-keys'.\n")


def test_one_variable_is_deleted_and_the_others_stay(at: Podline, api: FakeApi) -> None:
    api.secret_sets = {"clerk-keys": {"A": "1", "B": "2"}}
    outcome = at("secrets", "delete", "clerk-keys", "A", "--yes")

    assert outcome.out == "A in clerk-keys is deleted.\n"
    assert api.secret_sets == {"clerk-keys": {"B": "2"}}


def test_a_whole_set_is_deleted(at: Podline, api: FakeApi) -> None:
    api.secret_sets = {"clerk-keys": {"A": "1"}}
    outcome = at("secrets", "delete", "clerk-keys", "--yes", "-o", "json")

    assert (json.loads(outcome.out), api.secret_sets) == ({"deleted": "clerk-keys"}, {})


@pytest.mark.parametrize("words", [("clerk-keys",), ("clerk-keys", "", "--yes"), ("", "--yes")])
def test_neither_an_unasked_question_nor_an_empty_name_deletes(
    at: Podline, api: FakeApi, words: tuple[str, ...]
) -> None:
    outcome = at("secrets", "delete", *words)

    assert (outcome.code, api.seen) == (ExitCode.USAGE, [])
