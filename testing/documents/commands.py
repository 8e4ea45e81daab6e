"""What is wrong with the commands of a shell block that a test doesn't run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from testing.documents.markdown import ROOT, Block
from testing.web.generated import EXAMPLE, description

_SEPARATORS: Final = frozenset("|&;()\n")
_KEYWORDS: Final = frozenset(("{", "}", "!", "if", "then", "else", "fi", "for", "do", "done", "while"))
_HEREDOC: Final = re.compile(r"<<-?\s*'?(\w+)'?(.*?)\n.*?^\s*\1$", re.DOTALL | re.MULTILINE)
_COMMENT: Final = re.compile(r"(^|\s)#.*$", re.MULTILINE)
_FOLDERS: Final = ("bot/", "controller/", "deploy/", "docs/", "examples/", "podline/", "sandbox/", "tests/")
_TO_BE_MADE: Final = ("deploy/overlays/ours", "examples/agents/secrets/", "examples/agents/cascade/.env")
_CONTROLLERS: Final = ("localhost:7860", "127.0.0.1:7860")


def commands(text: str) -> Iterator[list[str]]:
    """Split a shell block into its simple commands, without assignments and redirections."""
    plain = _COMMENT.sub("", _HEREDOC.sub(r"\2", text)).replace("\\\n", " ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="|&;()\n<>")
    lexer.commenters = ""
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if set(token) <= _SEPARATORS:
            yield from filter(None, [_program(words)])
            words = []
        elif set(token) <= set("<>&"):
            next(tokens, None)
        else:
            words.append(token)
    yield from filter(None, [_program(words)])


def _program(words: list[str]) -> list[str]:
    while words and (re.match(r"\w+=", words[0]) or words[0] in _KEYWORDS):
        words = words[1:]
    return words


def problems(block: Block) -> list[str]:
    """Explain which commands, options, files and addresses of a block don't exist."""
    found: list[str] = []
    for command in commands(block.text):
        found += [f"{word} is not there." for word in command if _is_missing(word)]
        found += _problems(command)
    return found


def _is_missing(word: str) -> bool:
    path = word.removeprefix("./")
    path = (path.partition("=")[2] or path).rstrip("/")
    if not path.startswith(_FOLDERS) or path.startswith(_TO_BE_MADE):
        return False
    return not any(ROOT.glob(path))


def _problems(command: list[str]) -> Iterator[str]:
    program, *words = command
    name = Path(program).name
    if program.startswith("scripts/"):
        yield from _unknown_to_a_script(program, words)
    elif name == "podline":
        yield from _unknown([str(Path(sys.executable).with_name(name))], words)
    elif name in {"python", "python3"} and words[:1] == ["-m"] and words[1].startswith("sandbox"):
        yield from _unknown([sys.executable, "-m", words[1]], words[2:])
    elif name == "npm" and words[:1] == ["run"]:
        if words[1] not in json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))["scripts"]:
            yield f"The web app has no script {words[1]}."
    elif name == "curl":
        yield from (f"The API has no {path}." for path in map(_path, words) if path and not _is_served(path))
    elif name == "kubectl":
        yield from _unknown_to_kubectl(words)


def _unknown_to_a_script(program: str, words: list[str]) -> Iterator[str]:
    if not os.access(ROOT / program, os.X_OK):
        yield f"There is no {program}."
    elif "exec_command" in (ROOT / program).read_text(encoding="utf-8"):  # others have no help
        yield from _unknown([program], words)


def _unknown(program: list[str], words: list[str]) -> Iterator[str]:
    """Look for options and for a first argument in a program's own help."""
    if not words:
        return
    help_text = _help(*program)
    if "--list" in help_text:
        help_text += _output(*program, "--list")
    name = Path(program[-1]).name
    known = help_text
    arguments = [word for word in words if not word.startswith("-")]
    is_named = arguments and arguments[0].isalpha() and arguments[0].islower()
    if is_named and not re.search(rf"\b{arguments[0]}\b", help_text):
        yield f"The help of {name} doesn't name {arguments[0]}."
        return
    for option in (word.partition("=")[0] for word in words if re.match(r"--\w", word)):
        if re.search(rf"{option}\b", known):
            continue
        known += _help(*program, *arguments[:1]) + _help(*program, *arguments[:2])
        if not re.search(rf"{option}\b", known):
            yield f"{name} has no option {option}."


def _help(*program: str) -> str:
    return _output(*program, "--help")


@cache
def _output(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    shown = subprocess.run(  # noqa: S603 - a page's own commands
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return shown.stdout if shown.returncode == 0 else ""


def _unknown_to_kubectl(words: list[str]) -> Iterator[str]:
    """Look for options in kubectl's own help, where it is installed."""
    program = shutil.which("kubectl")
    options = [word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2]
    verb = next((word for word in words if word.isalpha() and word.islower() and word != "podline"), "")
    if program is None or not options:
        return
    nested = words[words.index(verb) + 1 : words.index(verb) + 2] if verb in {"create", "rollout"} else []
    if verb == "create" and nested == ["secret"]:
        nested = words[words.index(verb) + 1 : words.index(verb) + 3]
    nested = [word for word in nested if not word.startswith("-")]
    known = _help(program, verb, *nested) + _output(program, "options")
    yield from (f"kubectl {verb} has no {option}." for option in options if f"{option}=" not in known)


def _path(word: str) -> str | None:
    """Return the path of an address of the controller's."""
    address = urlsplit(word if "://" in word else f"http://{word}")
    return address.path if address.netloc in _CONTROLLERS else None


def _is_served(path: str) -> bool:
    served = [*description()["paths"], "/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"]
    patterns = (re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern)) for pattern in served)
    return any(re.fullmatch(pattern, path) for pattern in patterns)
