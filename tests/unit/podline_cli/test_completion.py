"""What a shell offers when a person presses Tab, and that it never waits or complains."""

import socket
import time

import pytest

from tests.unit.podline_cli.conftest import Outcome, Podline
from tests.unit.podline_cli.fake_api import FakeApi, agent, session


def offered(podline: Podline, *words: str, **variables: str) -> list[str]:
    """The names that bash is offered for the last word."""
    outcome: Outcome = podline(
        COMP_WORDS=" ".join(("podline", *words)),
        COMP_CWORD=str(len(words)),
        _PODLINE_COMPLETE="complete_bash",
        **variables,
    )
    assert outcome.err == ""
    return outcome.out.split()


def offered_at_last(podline: Podline, *words: str) -> list[str]:
    """The names that are offered to somebody who presses Tab again if a busy machine was too slow."""
    return next(filter(None, (offered(podline, *words) for _ in range(10))), [])


@pytest.mark.parametrize("command", ["show", "logs", "stop"])
def test_ids_of_sessions_are_offered(at: Podline, api: FakeApi, command: str) -> None:
    api.sessions = [session("cart-1"), session("cart-2"), session("desk-1")]

    assert offered_at_last(at, command, "cart") == ["cart-1", "cart-2"]


@pytest.mark.parametrize("words", [("agent",), ("rollback",), ("delete",), ("ps", "--agent")])
def test_names_of_agents_are_offered(at: Podline, api: FakeApi, words: tuple[str, ...]) -> None:
    api.agents = {"shopping": agent(), "clerk": agent("clerk")}

    assert offered_at_last(at, *words, "sh") == ["shopping"]


@pytest.mark.parametrize("command", ["list", "set", "delete"])
def test_names_of_secret_sets_are_offered(at: Podline, api: FakeApi, command: str) -> None:
    api.secret_sets = {"clerk-keys": {"A": "1"}, "shop-keys": {"A": "1"}}

    assert offered_at_last(at, "secrets", command, "cl") == ["clerk-keys"]


@pytest.mark.parametrize("words", [("context", "use"), ("ps", "--context")])
def test_names_of_contexts_are_offered(podline: Podline, words: tuple[str, ...]) -> None:
    for name in ("prod", "test"):
        podline("context", "set", name, "--url", "https://a.example")

    assert offered(podline, *words, "p") == ["prod"]


def test_names_come_from_the_context_that_the_line_names(podline: Podline, api: FakeApi) -> None:
    api.sessions = [session("cart-1")]
    podline("context", "set", "first", "--url", "http://127.0.0.1:1")
    podline("context", "set", "here", "--url", api.url)

    assert offered_at_last(podline, "show", "--context", "here", "c") == ["cart-1"]


def test_commands_are_offered(podline: Podline) -> None:
    assert {"show", "stop", "serve"} <= {*offered(podline, "s")}


def test_nothing_is_offered_if_no_controller_is_there(podline: Podline) -> None:
    assert offered(podline, "show", "c", PODLINE_URL="http://127.0.0.1:1") == []


def test_nothing_is_offered_if_the_file_of_contexts_is_broken(podline: Podline) -> None:
    assert offered(podline, "show", "c", PODLINE_URL="nonsense") == []


def test_a_controller_that_does_not_answer_holds_no_shell(podline: Podline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        names = offered(podline, "show", "c", PODLINE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")

    assert names == []
    assert time.monotonic() - began < 10, "not the patience of a command"


def test_no_name_that_a_shell_would_misread_is_offered(at: Podline, api: FakeApi) -> None:
    api.sessions = [session("cart\n-1 $(reboot)\x1b[2J")]

    assert offered(at, "show", "cart") == []
