"""What a person reads when a command fails, and its exit code: each error names the next step."""

import socket

import httpx
import pytest

from podline_cli.client import Client, Patience
from podline_cli.errors import CommandError, ExitCode
from podline_cli.problems import unreachable
from podline_cli.target import ChosenController
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import Answer, FakeApi, cloud_error, problem

SECRETS = "/v1/organizations/podline/secrets"


def test_a_controller_that_is_not_there_is_named_with_what_named_it(podline: Podline) -> None:
    podline("context", "set", "prod", "--url", "http://127.0.0.1:1")
    outcome = podline("ps")

    assert (outcome.code, outcome.out) == (ExitCode.UNREACHABLE, "")
    assert outcome.err == (
        "The controller at http://127.0.0.1:1 (the context prod) can't be reached: start one "
        "(`podline dev`), or name another one (`podline context set prod --url URL`).\n"
    )


def test_a_missing_key_is_asked_for_with_the_command_that_sets_it(podline: Podline, api: FakeApi) -> None:
    api.key = "key-of-the-operator"
    podline("context", "set", "prod", "--url", api.url)
    outcome = podline("ps")

    assert outcome.code == ExitCode.NOT_ALLOWED
    assert "asks for a key" in outcome.err
    assert "`podline context set prod --key-stdin`" in outcome.err


def test_a_wrong_key_is_not_repeated(at: Podline, api: FakeApi) -> None:
    api.key = "key-of-the-operator"
    outcome = at("ps", PODLINE_KEY="key-of-somebody-else")

    assert outcome.code == ExitCode.NOT_ALLOWED
    assert "doesn't know this key" in outcome.err
    assert "somebody" not in outcome.err


def test_a_key_that_is_not_enough_ends_with_the_scope_it_lacks(at: Podline, api: FakeApi) -> None:
    api.answers["PUT", "/v1/drain"] = problem(403, "forbidden", "The key lacks the scope `admin`.")
    outcome = at("drain", PODLINE_KEY="key")

    assert outcome.code == ExitCode.NOT_ALLOWED
    assert outcome.err.startswith("The key lacks the scope `admin`.")
    assert "--key-stdin" in outcome.err


def test_a_refusal_is_the_controller_s_own_sentence(at: Podline, api: FakeApi) -> None:
    api.answers["GET", "/v1/sessions"] = problem(
        503, "runtime_unavailable", "The cluster is away. Try later."
    )

    assert at("ps").err == "The cluster is away. Try later.\n"


def test_a_refusal_in_pipecat_clouds_form_is_the_controller_s_own_sentence(at: Podline, api: FakeApi) -> None:
    api.answers["GET", SECRETS] = cloud_error(503, "503", "The cluster is away. Try later.")

    assert at("secrets", "list").err == "The cluster is away. Try later.\n"


def test_a_missing_key_in_pipecat_clouds_form_is_asked_for(at: Podline, api: FakeApi) -> None:
    api.answers["GET", SECRETS] = cloud_error(401, "401", "A valid key is required.")
    outcome = at("secrets", "list")

    assert outcome.code == ExitCode.NOT_ALLOWED
    assert "asks for a key" in outcome.err


def test_a_controller_without_secret_sets_is_of_an_earlier_release(at: Podline, api: FakeApi) -> None:
    api.answers["GET", SECRETS] = cloud_error(404, "not_found", "There is nothing at this address.")

    assert "earlier release" in at("secrets", "list").err


def test_a_controller_of_an_earlier_release_is_named_as_one(at: Podline, api: FakeApi) -> None:
    api.answers["PUT", "/v1/drain"] = problem(404, "not_found", "There is nothing at this address.")
    outcome = at("drain")

    assert outcome.code == ExitCode.FAILED
    assert "earlier release" in outcome.err


def test_a_status_that_no_standard_has_fails_like_any_other(at: Podline, api: FakeApi) -> None:
    api.answers["GET", "/v1/agents"] = problem(499, "odd", "This is odd.")

    assert (at("agents").code, at("agents").err) == (ExitCode.FAILED, "This is odd.\n")


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, b"<html>Bad gateway</html>"), (404, b""), (500, b"[1]"), (400, b'{"detail": 3}'), (599, b"{}")],
)
def test_an_error_that_is_no_controller_s_says_to_check_the_url(
    at: Podline, api: FakeApi, status: int, body: bytes
) -> None:
    api.answers["GET", "/v1/agents"] = Answer(status, body)
    outcome = at("agents")

    assert outcome.code == ExitCode.UNREACHABLE
    assert f"answered {status}" in outcome.err


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"{}", b'{"agents": 3}', b'{"agents": [{}]}', b"[" * 100_000, b"\xff", b"null"],
    ids=range(9),
)
def test_an_answer_that_is_no_controller_s_says_to_check_the_url(
    at: Podline, api: FakeApi, body: bytes
) -> None:
    api.answers["GET", "/v1/agents"] = Answer(200, body)
    outcome = at("agents")

    assert (outcome.code, outcome.err.count("\n")) == (ExitCode.UNREACHABLE, 1)
    assert "check the URL" in outcome.err


def test_a_controller_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = ChosenController(f"http://127.0.0.1:{silent.getsockname()[1]}", None, "the default")
        with (
            Client(target, Patience(read=0.1)) as client,
            pytest.raises(CommandError, match="in time") as error,
        ):
            client.get("/v1/agents")

    assert error.value.code == ExitCode.UNREACHABLE


def test_a_certificate_that_is_not_trusted_is_named() -> None:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    target = ChosenController("https://voice.example.com", None, "the context prod", "prod")

    assert "SSL_CERT_FILE" in str(unreachable(error, target))


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("ps", "--nonsense"),
        ("show",),
        ("stop",),
        ("ps", "--phase", "gone"),
        ("agents", "-o", "yaml"),
        ("context", "set"),
    ],
)
def test_a_mistyped_command_is_a_usage_error_without_boxes(at: Podline, words: tuple[str, ...]) -> None:
    outcome = at(*words)

    assert (outcome.code, outcome.out) == (ExitCode.USAGE, "")
    assert outcome.err.isascii()


def test_a_mistyped_name_of_a_command_is_corrected(at: Podline) -> None:
    assert "Did you mean 'deploy'" in at("deplyo").err


@pytest.mark.parametrize("variable", ["PODLINE_URL", "PODLINE_KEY"])
def test_a_wrong_variable_is_a_usage_error(podline: Podline, variable: str) -> None:
    outcome = podline("ps", **{variable: "not valid \x1b[2J"})

    assert outcome.code == ExitCode.USAGE
    assert "\x1b" not in outcome.err
