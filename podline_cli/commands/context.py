"""`podline context`: which controller the commands talk to."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from podline_cli.completion import complete_contexts
from podline_cli.console import Output, OutputFormat
from podline_cli.contexts import Context, checked_name, contexts_path, read_contexts, write_contexts
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import ContextOption, OutputOption
from podline_cli.target import choose_target
from podline_cli.urls import checked_key, checked_url, exposes_key, origin_of

_MOST_CHARACTERS: Final = 8192

app: Final = typer.Typer(
    name="context",
    help="Choose the controller that commands talk to, and the key to it.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The context's name.", autocompletion=complete_contexts)
]


@app.command("list")
def list_contexts(output: OutputOption = OutputFormat.TEXT) -> None:
    """List the contexts; `*` marks the one in use."""
    out = Output(output)
    contexts = read_contexts(contexts_path(os.environ))
    if out.is_json:
        out.json(
            {"current": contexts.current, "contexts": {n: shown(c) for n, c in contexts.by_name.items()}}
        )
        return
    rows = [
        ("*" if name == contexts.current else "", name, each.url, "yes" if each.key else "no")
        for name, each in sorted(contexts.by_name.items())
    ]
    out.table(("", "NAME", "URL", "KEY"), rows)
    if not rows:
        out.note("No contexts. `podline context set NAME --url URL` creates one.")


@app.command("use")
def use(name: Name, output: OutputOption = OutputFormat.TEXT) -> None:
    """Use a context from now on."""
    path = contexts_path(os.environ)
    contexts = read_contexts(path).using(name)
    write_contexts(path, contexts)
    _report(name, contexts.by_name[name], f"Commands use {name} from now on", Output(output))


@app.command("set")
def set_context(
    name: Name,
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where the controller is.")] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input, or ask for it.")
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="Read the key from a file.")
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Create or change a context. The first one is used at once.

    No option takes a key, because the shell would keep it in its history.
    """
    out = Output(output)
    if key_stdin and key_file is not None:
        raise CommandError("--key-stdin and --key-file exclude each other.", code=ExitCode.USAGE)
    path = contexts_path(os.environ)
    contexts = read_contexts(path)
    before = contexts.by_name.get(checked_name(name))
    where = url or (before.url if before is not None else None)
    if where is None:
        raise CommandError(f"The context {name} is new: add --url URL.", code=ExitCode.USAGE)
    where = checked_url(where)
    key = _read_key(key_file) if key_stdin or key_file is not None else _kept_key(before, where, out)
    context = Context(where, key)
    contexts = contexts.with_context(name, context)
    write_contexts(path, contexts)
    if key is not None and exposes_key(where):
        out.warn(f"the key will cross the network unencrypted to {where}: use https.")
    how = "and in use" if contexts.current == name else f"and not in use: `podline context use {name}`"
    _report(name, context, f"{name} is set, {how}", out)


@app.command("delete")
def delete(name: Name, output: OutputOption = OutputFormat.TEXT) -> None:
    """Delete a context and its key."""
    out = Output(output)
    path = contexts_path(os.environ)
    contexts = read_contexts(path)
    write_contexts(path, contexts.without(name))
    if contexts.current == name:
        out.note("It was in use: `podline context use NAME` chooses another one.")
    _report(name, contexts.by_name[name], f"{name} is deleted", out)


@app.command("show")
def show(context: ContextOption = None, output: OutputOption = OutputFormat.TEXT) -> None:
    """Show which controller commands talk to, and what says so. No key is shown."""
    out = Output(output)
    target = choose_target(context, os.environ)
    facts = {
        "context": target.context or "",
        "url": target.url,
        "key": "set" if target.key is not None else "none",
        "chosen by": target.source,
        "file": str(contexts_path(os.environ)),
    }
    if out.is_json:
        out.json(
            {
                "context": target.context,
                "url": target.url,
                "has_key": target.key is not None,
                "source": target.source,
                "file": facts["file"],
            }
        )
        return
    for name, value in facts.items():
        out.fact(name, value)


def shown(context: Context) -> dict[str, object]:
    """Return a context without its key."""
    return {"url": context.url, "has_key": context.key is not None}


def _report(name: str, context: Context, sentence: str, out: Output) -> None:
    if out.is_json:
        out.json({"context": name, **shown(context)})
    else:
        out.note(f"{sentence}.")


def _kept_key(before: Context | None, url: str, out: Output) -> str | None:
    """Return the key of a context that changes, unless it would go to another server."""
    if before is None or before.key is None or origin_of(before.url) == origin_of(url):
        return before.key if before is not None else None
    out.note("The key was for another server and is removed: set one with --key-stdin.")
    return None


def _read_key(path: Path | None) -> str:
    if path is not None:
        try:
            with path.open(encoding="utf-8") as file:
                return checked_key(file.read(_MOST_CHARACTERS).strip())
        except (OSError, UnicodeDecodeError):
            raise CommandError(
                f"The key can't be read from {path}: name a file with the key alone.", code=ExitCode.USAGE
            ) from None
    if sys.stdin.isatty():
        return checked_key(getpass.getpass("Key: ", sys.stderr).strip())
    return checked_key(sys.stdin.read(_MOST_CHARACTERS).strip())
