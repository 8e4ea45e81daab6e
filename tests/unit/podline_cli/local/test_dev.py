"""What `podline dev` refuses before it starts anything, and what it warns of."""

import socket
from pathlib import Path

import pytest

from podline_cli.errors import ExitCode
from podline_cli.local.bots import find_bot
from podline_cli.local.dev import hint_for
from testing.processes import free_port
from tests.unit.podline_cli.conftest import Podline


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "CONVEX_URL", "PODLINE_AGENTS", "PODLINE_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_bot_and_without_keys_the_ways_out_are_named(podline: Podline) -> None:
    outcome = podline("dev", "--port", str(free_port()))

    assert outcome.code == ExitCode.FAILED
    assert "GOOGLE_API_KEY and CONVEX_URL" in outcome.err
    assert "--sandbox" in outcome.err
    assert "podline init" in outcome.err


def test_a_bot_that_is_not_there_is_named(podline: Podline) -> None:
    outcome = podline("dev", "clerk.py", "--sandbox")

    assert outcome.code == ExitCode.USAGE
    assert "There is no bot at clerk.py" in outcome.err


def test_a_taken_port_is_named_with_the_way_out(podline: Podline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = podline("dev", "--sandbox", "--port", str(port))

    assert outcome.code == ExitCode.FAILED
    assert f"Port {port} can't be used" in outcome.err
    assert "podline dev --port" in outcome.err


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused(podline: Podline, port: str) -> None:
    assert podline("dev", "--sandbox", "--port", port).code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("code", "env", "with_sandbox", "hint"),
    [
        ("load_dotenv(override=True)", "GOOGLE_API_KEY=real", True, "remove override=True"),
        ("load_dotenv()", "GOOGLE_API_KEY=real", True, ""),
        ("load_dotenv(override=True)", "GOOGLE_API_KEY=", True, ""),
        ("load_dotenv()", None, False, "copy .env.example"),
        ("load_dotenv()", "GOOGLE_API_KEY=real", False, ""),
    ],
)
def test_what_keeps_a_bot_from_its_services_is_said_at_the_start(
    tmp_path: Path, code: str, env: str | None, hint: str, *, with_sandbox: bool
) -> None:
    (tmp_path / "bot.py").write_text(code)
    (tmp_path / ".env.example").write_text("GOOGLE_API_KEY=\n")
    if env is not None:
        (tmp_path / ".env").write_text(f"{env}\n")
    said = hint_for(find_bot(None, tmp_path), with_sandbox=with_sandbox)

    assert hint in said
    assert bool(hint) == bool(said)


def test_an_env_file_that_is_not_utf_8_is_named_with_the_way_out(podline: Podline, home: Path) -> None:
    (home / ".env").write_bytes(b"SHOP=caf\xe9\n")
    outcome = podline("dev", "--sandbox")

    assert outcome.code == ExitCode.USAGE
    assert outcome.err.endswith(".env is not UTF-8: save it as that.\n")
