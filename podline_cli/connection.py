"""The way from a command's options to a controller."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from podline_cli.answers import ApiAnswer, SessionAnswer
from podline_cli.client import Client, Patience, Query
from podline_cli.console import Output
from podline_cli.errors import CommandError, ExitCode
from podline_cli.target import choose_target
from podline_cli.urls import exposes_key

_ORGANIZATION: Final = "/v1/organizations/podline"
_PAGE: Final = 500
_MOST_PAGES: Final = 10_000


class SessionPageAnswer(ApiAnswer):
    """A page of sessions, each as it was sent."""

    sessions: list[dict[str, Any]]
    next_cursor: str | None = None


def connect(context: str | None, output: Output, patience: Patience | None = None) -> Client:
    """Return a client for the chosen controller; warn if its key can be read on the way."""
    target = choose_target(context, os.environ)
    if target.key is not None and exposes_key(target.url):
        output.warn(f"the key crosses the network unencrypted to {target.url}: use https.")
    return Client(target, patience)


def in_path(name: str) -> str:
    """Return a name as one segment of a path: `..` would name another one."""
    return quote(name, safe="").replace(".", "%2E") if set(name) == {"."} else quote(name, safe="")


def session_path(session_id: str) -> str:
    return f"/v1/sessions/{in_path(session_id)}"


def agent_path(name: str) -> str:
    return f"/v1/agents/{in_path(name)}"


def secret_sets_path(*names: str) -> str:
    """Return the path of all secret sets, of the one named first, or of the variable in it named second.

    Raises:
        CommandError: a name is empty, so that the path would be that of something larger.
    """
    if not all(names):
        raise CommandError("The name of a secret set or variable is empty: write it.", code=ExitCode.USAGE)
    return "/".join([_ORGANIZATION, "secrets", *map(in_path, names)])


def sessions(client: Client, filters: Mapping[str, str]) -> Iterator[tuple[dict[str, Any], SessionAnswer]]:
    """Yield all sessions, newest first, as they were sent and as they are shown."""
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        query: Query = {**filters, "limit": _PAGE, **({} if cursor is None else {"cursor": cursor})}
        page = client.parse(SessionPageAnswer, client.get("/v1/sessions", query))
        for raw in page.sessions:
            yield raw, client.parse(SessionAnswer, raw)
        # A cursor that comes again would go round in circles.
        if page.next_cursor is None or page.next_cursor == cursor:
            return
        cursor = page.next_cursor
