"""List the conversations of a running sandbox's model, and order or forget misbehaviours."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from podline.contract.environment import CONVEX_URL

ENVIRONMENT_FILE: Final = "sandbox.env"
"""Where a sandbox writes the variables to use it."""

_SECONDS: Final = 10.0


class ControlError(Exception):
    """The sandbox can't be reached or refuses; the sentence says why."""


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.control",
        description=__doc__,
        epilog="docs/reference/sandbox-model.md lists the orders.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--directory", type=Path, help="where the sandbox wrote its files")
    where.add_argument("--url", help="the store's address")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("conversations", help="list the model's conversations that have a connection")
    order = commands.add_parser(
        "order", help="order a misbehaviour: of the model, unless target= names another part"
    )
    order.add_argument("name", help="the misbehaviour's name, such as empty_turn")
    order.add_argument(
        "parameters",
        nargs="*",
        metavar="key=value",
        help="parameters of the order; values are JSON or text; conversation= takes an index as well",
    )
    commands.add_parser("forget", help="forget all orders; sessions that already misbehave continue")
    options = parser.parse_args()
    try:
        sys.stdout.write(_run(options, options.url or _store_url(options.directory)))
    except ControlError as error:
        sys.exit(f"sandbox: {error}")


def _run(options: argparse.Namespace, url: str) -> str:
    match options.command:
        case "conversations":
            return _listed(_conversations(url))
        case "forget":
            _ask(url, "DELETE", "/sandbox/behaviour")
            return ""
        case _:
            order = {"target": "model", "name": options.name, **_parameters(options.parameters)}
            if "conversation" in order:
                order["conversation"] = _named(order["conversation"], _conversations(url))
            return f"{json.dumps(_ask(url, 'POST', '/sandbox/behaviour', order))}\n"


def _store_url(directory: Path) -> str:
    path = directory / ENVIRONMENT_FILE
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ControlError(f"{path} can't be read: is the sandbox running? {error.strerror}") from error
    return dict(line.split("=", 1) for line in lines)[CONVEX_URL]


def _parameters(given: list[str]) -> dict[str, Any]:
    """Return parameters by name.

    Raises:
        ControlError: One is not `key=value`.
    """
    parameters: dict[str, Any] = {}
    for parameter in given:
        key, equals, value = parameter.partition("=")
        if not equals:
            raise ControlError(f"{parameter} is not key=value")
        parameters[key] = value if key == "conversation" else _value(value)
    return parameters


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _named(wanted: str, conversations: list[dict[str, Any]]) -> str:
    """Return the name of a conversation that was given by name or index."""
    by_index = {str(each["index"]): str(each["conversation"]) for each in conversations}
    return by_index.get(wanted, wanted)


def _listed(conversations: list[dict[str, Any]]) -> str:
    columns = ("index", "conversation", "started_at", "turns", "connections", "heard_last")
    rows = [columns, *([str(each[column]) for column in columns] for each in conversations)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _conversations(url: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = _ask(url, "GET", "/sandbox/conversations")["conversations"]
    return listed


def _ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the sandbox's answer.

    Raises:
        ControlError: It can't be reached, or refuses.
    """
    request = urllib.request.Request(  # noqa: S310 - the operator names the address
        f"{url.rstrip('/')}{path}", method=method, data=None if body is None else json.dumps(body).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise ControlError(_reason(error.read()) or f"the sandbox answered {error.code}") from error
    except OSError as error:
        raise ControlError(f"{url} can't be reached: {error}") from error


def _reason(answer: bytes) -> str | None:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    main()
