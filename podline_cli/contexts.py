"""The file of contexts: which controllers a person uses, by name, each with its URL and key.

Only its owner may read it. It is replaced as a whole, so that it is never half written.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from podline.contract.text import printable
from podline_cli.errors import CommandError, ExitCode
from podline_cli.toml import parse_toml
from podline_cli.urls import checked_key, checked_url

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_MOST_BYTES: Final = 1024 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Context:
    """One controller, and the key to it."""

    url: str
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Contexts:
    """All contexts, and the name of the one in use."""

    current: str | None = None
    by_name: Mapping[str, Context] = field(default_factory=dict)

    def named(self, name: str) -> Context:
        if name not in self.by_name:
            names = ", ".join(sorted(self.by_name)) or "none yet"
            raise CommandError(
                f"There is no context {printable(name, 64)!r} ({names}): create it with "
                "`podline context set NAME --url URL`.",
                code=ExitCode.NOT_FOUND,
            )
        return self.by_name[name]

    def using(self, name: str) -> Contexts:
        self.named(name)
        return replace(self, current=name)

    def with_context(self, name: str, context: Context) -> Contexts:
        """Add or replace a context. The first one is used at once."""
        return replace(
            self, current=self.current or checked_name(name), by_name={**self.by_name, name: context}
        )

    def without(self, name: str) -> Contexts:
        self.named(name)
        rest = {each: context for each, context in self.by_name.items() if each != name}
        return Contexts(None if self.current == name else self.current, rest)


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CommandError(
            "A context's name has up to 63 letters, digits, dots, dashes and underscores: choose another.",
            code=ExitCode.USAGE,
        )
    return name


def contexts_path(variables: Mapping[str, str]) -> Path:
    """Return where the file is, by the XDG Base Directory Specification: relative paths don't count."""
    home = Path(variables.get("XDG_CONFIG_HOME", ""))
    directory = home if home.is_absolute() else Path(variables.get("HOME") or Path.home()) / ".config"
    return directory / "podline" / "contexts.toml"


def read_contexts(path: Path) -> Contexts:
    """Read the file; no file is no contexts."""
    try:
        content = _content(path)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    try:
        return Contexts() if content is None else _parsed(parse_toml(content.decode()))
    except UnicodeDecodeError:
        raise _unusable(path, "it is not UTF-8") from None
    except (CommandError, TypeError, ValueError) as error:
        raise _unusable(path, printable(str(error), 300).rstrip(".")) from None


def _content(path: Path) -> bytes | None:
    """Return what is in the file if only its owner may read and change it; None if there is no file."""
    try:
        # A pipe in its place would hold us until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        _insist_on_privacy(path, os.fstat(descriptor))
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def _insist_on_privacy(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "it is not a regular file")
    if found.st_mode & _OTHERS or found.st_uid not in (os.geteuid(), 0):
        raise CommandError(
            f"Other users can read or change the keys in {path}: run `chmod 600 {path}`, and replace the "
            "keys in it if somebody else may have read them.",
            code=ExitCode.USAGE,
        )
    if found.st_size > _MOST_BYTES:
        raise _unusable(path, "it is larger than 1 MB")


def write_contexts(path: Path, contexts: Contexts) -> None:
    """Replace the file at once, readable for its owner only."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        _replace(path, _as_toml(contexts))
    except OSError as error:
        raise CommandError(
            f"{path} can't be written: {error.strerror}. Correct that, or set XDG_CONFIG_HOME to another "
            "directory."
        ) from None


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        made = Path(file.name)  # created with mode 0600
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise


def _parsed(document: dict[str, object]) -> Contexts:
    tables, current = document.get("contexts", {}), document.get("current")
    if not isinstance(tables, dict) or not isinstance(current, str | None):
        raise TypeError("`contexts` has to be a table, and `current` a name")
    by_name = {checked_name(name): _context(name, table) for name, table in tables.items()}
    return Contexts(current if current in by_name else None, by_name)


def _context(name: str, table: object) -> Context:
    if not isinstance(table, dict) or not isinstance(table.get("url"), str):
        raise TypeError(f"the context {name!r} has no `url`")
    key = table.get("key")
    if not isinstance(key, str | None):
        raise TypeError(f"the `key` of the context {name!r} is not a string")
    return Context(checked_url(table["url"]), None if key is None else checked_key(key))


def _as_toml(contexts: Contexts) -> str:
    lines = ["# Written by `podline context`. Keys are secrets: this file is for its owner only."]
    if contexts.current is not None:
        lines.append(f"current = {_text(contexts.current)}")
    for name, context in sorted(contexts.by_name.items()):
        lines += ["", f"[contexts.{_text(name)}]", f"url = {_text(context.url)}"]
        if context.key is not None:
            lines.append(f"key = {_text(context.key)}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Return a string of TOML: names, URLs and keys are printable ASCII, for which JSON writes the same."""
    return json.dumps(value)


def _unusable(path: Path, problem: str) -> CommandError:
    return CommandError(
        f"{path} can't be used: {problem}. Correct it, or delete it and run `podline context set` again.",
        code=ExitCode.USAGE,
    )
