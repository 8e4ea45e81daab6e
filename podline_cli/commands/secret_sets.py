"""`podline secrets`: the variables that bots get, written and deleted, and listed without values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from podline_cli.answers import SecretListAnswer, SecretSetListAnswer
from podline_cli.client import Client
from podline_cli.commands.confirmation import confirm
from podline_cli.commands.secret_values import SecretValue, check_names, values_of_file, values_of_names
from podline_cli.completion import complete_secret_sets
from podline_cli.connection import connect, secret_sets_path
from podline_cli.console import Output, OutputFormat
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import ContextOption, OutputOption

app: Final = typer.Typer(
    name="secrets",
    help="Write the variables that bots get, such as keys. No command shows a value again.",
    no_args_is_help=True,
)

SetName = Annotated[
    str,
    typer.Argument(
        metavar="SET", help="The set's name, as in `secret_set`.", autocompletion=complete_secret_sets
    ),
]


@app.command("list")
def list_sets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SET", help="The set whose variables to list.", autocompletion=complete_secret_sets
        ),
    ] = None,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the secret sets, or the names of the variables in one."""
    out = Output(output)
    with connect(context, out) as client:
        if name is None:
            _list_all(client, out)
        else:
            _list_one(client, name, out)


@app.command("set")
def set_secrets(
    name: SetName,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Names of variables; with --file, only these of the file."),
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Read names and values from a .env file.")
    ] = None,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Write variables into a secret set, which is created if it doesn't exist. Its other variables stay.

    The values come from a .env file (`podline secrets set clerk-keys --file .env`), or, for each NAME, from
    the environment variable of that name. If that isn't set, you are asked for the value; a pipe is read
    instead (`podline secrets set clerk-keys GOOGLE_API_KEY < key.txt`).

    No argument or option takes a value, because the shell would keep it in its history.
    """
    out = Output(output)
    values = _values([*dict.fromkeys(names or ())], file, out)
    with connect(context, out) as client:
        _write(client, name, values)
    if out.is_json:
        out.json({"set": name, "variables": [{"name": each.name, "from": each.source} for each in values]})
        return
    out.table(("VARIABLE", "FROM"), ((each.name, each.source) for each in values))
    out.note(f'{name} is written: the next call of an agent with secret_set = "{name}" has it.')


@app.command("delete")
def delete(
    name: SetName,
    variable: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One variable to delete instead of the whole set.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Delete a secret set, or one variable of it. Calls that run keep what they have."""
    out = Output(output)
    path = secret_sets_path(name) if variable is None else secret_sets_path(name, variable)
    with connect(context, out) as client:
        if not yes:
            _ask(name, variable, client.target.url, out)
        client.delete(path)
    if out.is_json:
        out.json({"deleted": name} if variable is None else {"deleted": variable, "set": name})
    else:
        out.line(f"{name if variable is None else f'{variable} in {name}'} is deleted.")


def _list_all(client: Client, out: Output) -> None:
    raw = client.get(secret_sets_path())
    found = client.parse(SecretSetListAnswer, raw).sets
    if out.is_json:
        out.json(raw)
        return
    out.table(
        ("SET", "HOLDS", "UPDATED"), ((each.name, each.holds, out.moment(each.updated)) for each in found)
    )
    if not found:
        out.note("No secret sets. `podline secrets set SET --file .env` writes one.")


def _list_one(client: Client, name: str, out: Output) -> None:
    raw = client.get(secret_sets_path(name))
    found = client.parse(SecretListAnswer, raw).secrets
    if out.is_json:
        out.json(raw)
        return
    out.table(("VARIABLE",), ((each.name,) for each in found))
    if not found:
        out.note(f"{name} has no variables: it holds the credentials of an image registry.")


def _values(names: Sequence[str], file: Path | None, out: Output) -> list[SecretValue]:
    check_names(names)
    if file is not None:
        return values_of_file(file, names, out)
    if not names:
        raise CommandError(
            "Nothing says which variables to write: add --file .env, or their names.", code=ExitCode.USAGE
        )
    return values_of_names(names, os.environ)


def _write(client: Client, name: str, values: Sequence[SecretValue]) -> None:
    """Write one variable after the other, as the API takes them."""
    path = secret_sets_path(name)
    written: list[str] = []
    for each in values:
        body = {"isImagePullSecret": False, "secretKey": each.name, "secretValue": each.value}
        try:
            client.put(path, body)
        except CommandError as error:
            if not written:
                raise
            raise CommandError(
                f"{each.name} was not written to {name}, after {', '.join(written)} had been: {error}",
                code=error.code,
            ) from error
        written.append(each.name)


def _ask(name: str, variable: str | None, url: str, out: Output) -> None:
    if variable is None:
        confirm(f"Delete the secret set {name} with all its variables at {url}?", "the secret set", out)
    else:
        confirm(f"Delete {variable} in the secret set {name} at {url}?", "the variable", out)
