"""What a request asks for, so far as orders are aimed by it and records show it."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from sandbox.mind.dialogue import TurnKind

Endpoint = Literal["completions", "transcriptions", "speech"]

_LONGEST_NAME = 200


class AskedFor(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        endpoint: What it is for.
        host: The client's address.
        project: The project that it names, if it names one.
        model: The model's name.
        instruction: What the application says about how to answer.
        turn: Of a completion, what kind of turn it is.
        calls_tool: Of a completion, whether it calls a tool.
    """

    endpoint: Endpoint
    host: str
    project: str | None
    model: str
    instruction: str = ""
    turn: TurnKind | None = None
    calls_tool: bool = False


def project_of(request: web.Request) -> str | None:
    """Return the project that a client says it belongs to."""
    given = request.headers.get("OpenAI-Project")
    return None if given is None else given[:_LONGEST_NAME]
