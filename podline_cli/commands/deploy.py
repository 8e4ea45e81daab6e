"""`podline deploy`: a definition becomes the version that serves, once one of its bots has started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE
from podline.contract.text import printable
from podline_cli.answers import AgentAnswer
from podline_cli.client import Client
from podline_cli.commands.agents import being_deployed, version_of
from podline_cli.connection import agent_path, connect
from podline_cli.console import Output, OutputFormat
from podline_cli.durations import pauses
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import ContextOption, OutputOption
from podline_cli.problems import RefusedError
from podline_cli.toml import InvalidTomlError, parse_toml

FILES: Final = (DEPLOY_FILE, PODLINE_FILE)
_MOST_BYTES: Final = 256 * 1024
_MOST_FAILURES: Final = 10
"""How many questions in a row a controller may leave unanswered, as one does that is replaced meanwhile."""

_SAYS_NOTHING_OF_THE_DEFINITION: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def deploy(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help=f"The directory with {' and '.join(FILES)}.")
    ] = Path(),
    *,
    redeploy: Annotated[
        bool, typer.Option("--redeploy", help="Deploy again, even if this definition is already active.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Don't wait for the bot that is started to try the version.")
    ] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", min=1, metavar="SECONDS", help="How long to wait for that bot.")
    ] = 600,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Deploy an agent from the files in a directory.

    The controller starts one bot without a caller. Once that is ready the version serves; if it fails, the
    earlier version goes on serving, and this command ends with the bot's own error.
    """
    out = Output(output)
    files = read_definition(directory)
    name = agent_name(files, directory)
    with connect(context, out) as client:
        raw = _put(client, name, {"files": files, "redeploy": redeploy})
        asked = client.parse(AgentAnswer, raw)
        before = version_of(asked)
        if asked.deploying and not no_wait:
            raw = _until_decided(client, name, timeout, out)
        found = client.parse(AgentAnswer, raw)
    if out.is_json:
        out.json(raw)
    if found.problem is not None and not found.deploying:
        raise CommandError(
            f"{name} was not deployed, and {version_of(found)} goes on serving: {found.problem}"
            if found.version is not None
            else f"{name} was not deployed: {found.problem}",
            code=ExitCode.DEPLOY_REFUSED,
        )
    if not out.is_json:
        out.line(_result(found, before, asked))


def read_definition(directory: Path) -> dict[str, str]:
    """Return the texts of the definition's files by name. Each may be missing, but not both."""
    texts = {name: _text(directory / name) for name in FILES if (directory / name).exists()}
    if not texts:
        raise CommandError(
            f"{directory.resolve()} has neither {' nor '.join(FILES)}: name the directory of an agent's "
            "definition, or create one with `podline init`.",
            code=ExitCode.USAGE,
        )
    return texts


def agent_name(files: Mapping[str, str], directory: Path) -> str:
    """Return the name in the definition, or else the directory's. The controller checks what else it says."""
    documents = {name: _document(directory / name, text) for name, text in files.items()}
    name = documents.get(DEPLOY_FILE, {}).get("agent_name", directory.resolve().name)
    if not isinstance(name, str) or not name:
        raise CommandError(
            f"`agent_name` in {directory / DEPLOY_FILE} is not a name: "
            'write one such as agent_name = "my-bot".',
            code=ExitCode.DEPLOY_REFUSED,
        )
    return printable(name, 128)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.", code=ExitCode.USAGE) from None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or len(content) > _MOST_BYTES:
        raise CommandError(f"{path} is not UTF-8 text of at most 256 KB.", code=ExitCode.DEPLOY_REFUSED)
    return text


def _document(path: Path, text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except InvalidTomlError as error:
        raise CommandError(
            f"{path} can't be deployed: {error}. Correct it and deploy again.", code=ExitCode.DEPLOY_REFUSED
        ) from None


def _put(client: Client, name: str, body: object) -> Any:
    try:
        return client.put(agent_path(name), body)
    except RefusedError as error:
        if error.code == ExitCode.NOT_ALLOWED or error.status in _SAYS_NOTHING_OF_THE_DEFINITION:
            raise
        raise CommandError(f"{name} was not deployed: {error}", code=ExitCode.DEPLOY_REFUSED) from error


def _until_decided(client: Client, name: str, timeout: int, out: Output) -> Any:
    """Return the agent once its bot has started or failed."""
    deadline = time.monotonic() + timeout
    failures = 0
    with out.step(f"Starting a bot of {name} without a caller"):
        for pause in takewhile(lambda _: time.monotonic() < deadline, pauses()):
            time.sleep(pause)
            try:
                raw = client.get(agent_path(name))
            except CommandError as error:
                failures += 1
                if error.code != ExitCode.UNREACHABLE or failures > _MOST_FAILURES:
                    raise
                continue
            failures = 0
            if not client.parse(AgentAnswer, raw).deploying:
                return raw
    raise CommandError(
        f"The bot of {name} neither started nor failed within {timeout} s: `podline agent {name}` says "
        "how far it is, and --timeout waits longer."
    )


def _result(found: AgentAnswer, before: str, asked: AgentAnswer) -> str:
    if found.deploying:
        return being_deployed(found)
    if version_of(found) == before and not asked.deploying:
        return f"{found.name} serves {before} already, with this definition; --redeploy deploys it once more."
    return f"{found.name} is ready: {version_of(found)} serves."
