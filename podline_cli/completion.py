"""Names that a shell may complete. Whatever fails, nothing is offered: nobody has asked for an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import typer

from podline_cli.answers import AgentListAnswer, SecretSetListAnswer, SessionAnswer
from podline_cli.client import Client, Patience
from podline_cli.connection import SessionPageAnswer, secret_sets_path
from podline_cli.contexts import contexts_path, read_contexts
from podline_cli.errors import CommandError
from podline_cli.target import choose_target

_PATIENCE: Final = Patience(connect=0.5, read=1, whole=1.5)
_MOST_SESSIONS: Final = 100
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._-]+")

Offers = list[tuple[str, str]]


def complete_contexts(_context: typer.Context, incomplete: str) -> Offers:
    with suppress(CommandError, OSError):
        known = read_contexts(contexts_path(os.environ)).by_name
        return _offers(incomplete, ((name, each.url) for name, each in known.items()))
    return []


def complete_agents(context: typer.Context, incomplete: str) -> Offers:
    with suppress(CommandError, OSError), _client(context) as client:
        listed = client.parse(AgentListAnswer, client.get("/v1/agents"))
        return _offers(incomplete, ((each.name, each.state) for each in listed.agents))
    return []


def complete_secret_sets(context: typer.Context, incomplete: str) -> Offers:
    with suppress(CommandError, OSError), _client(context) as client:
        listed = client.parse(SecretSetListAnswer, client.get(secret_sets_path()))
        return _offers(incomplete, ((each.name, each.holds) for each in listed.sets))
    return []


def complete_sessions(context: typer.Context, incomplete: str) -> Offers:
    with suppress(CommandError, OSError), _client(context) as client:
        page = client.parse(SessionPageAnswer, client.get("/v1/sessions", {"limit": _MOST_SESSIONS}))
        found = (client.parse(SessionAnswer, each) for each in page.sessions)
        return _offers(incomplete, ((each.id, f"{each.agent} {each.phase}") for each in found))
    return []


def _offers(incomplete: str, names: Iterable[tuple[str, str]]) -> Offers:
    """Return those that begin so, without any that a shell would evaluate."""
    return [each for each in names if each[0].startswith(incomplete) and _HARMLESS.fullmatch(each[0])]


@contextmanager
def _client(context: typer.Context) -> Iterator[Client]:
    with Client(choose_target(context.params.get("context"), os.environ), _PATIENCE) as client:
        yield client
