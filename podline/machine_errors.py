"""What a machine refuses any program, such as disk space or a port: for each, a sentence with the remedy."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PATH: Final = "{path}"
_PORTS: Final = "{ports}"
_ADDRESS: Final = re.compile(r"\('(?P<host>[^']+)', (?P<port>\d+)")
"""As Python's errors name the address that could not be listened on."""


@dataclass(frozen=True)
class _Kind:
    """One kind of refusal.

    Attributes:
        numbers: the errors of the operating system that mean it.
        words: how programs put it in what they print.
        sentence: what happened and what to do; `{path}` is replaced by the file, or by `elsewhere`.
        elsewhere: stands for the file where the error names none.
    """

    numbers: frozenset[int]
    words: re.Pattern[str] | None
    sentence: str
    elsewhere: str = ""


def _kind(numbers: set[int], words: str, sentence: str, elsewhere: str = "") -> _Kind:
    return _Kind(frozenset(numbers), re.compile(words, re.IGNORECASE) if words else None, sentence, elsewhere)


_MACHINE: Final = (
    _kind(
        {errno.ENOSPC, errno.EDQUOT},
        r"no space left on device|disk quota exceeded|disk is full|not enough free space|ENOSPC",
        "The disk of {path} is full: free some space there, then run this again.",
        "this folder or of the temporary folder",
    ),
    _kind(
        {errno.EROFS},
        r"read-only file system|readonly database|EROFS",
        "{path} is on a read-only file system: make it writable, or use a folder that is.",
        "A file that has to be written",
    ),
    _kind(
        {errno.EADDRINUSE},
        r"address already in use|port is already allocated|EADDRINUSE",
        "{path} is taken by another program: stop that program, or choose another port{ports}.",
        "A port that is needed",
    ),
    _kind(
        set(),
        r"no usable temporary directory",
        "Nothing can be written to the temporary folder: free space there, or set TMPDIR to another folder.",
    ),
    _kind(
        {errno.EADDRNOTAVAIL},
        r"can(no|')t assign requested address",
        "{path} can't be used, because this machine does not have that address: use 127.0.0.1, 0.0.0.0 "
        "or one of its own.",
        "The address to listen on",
    ),
    _kind(
        {errno.EACCES, errno.EPERM},
        "",
        "This user may not use {path}: change its owner or its permissions.",
        "a file or port that is needed",
    ),
    _kind(
        {errno.EMFILE, errno.ENFILE},
        r"too many open files",
        "Too many files are open: raise the limit, such as with `ulimit -n 8192`, then run this again.",
    ),
    _kind(
        {errno.ENOMEM},
        r"cannot allocate memory|out of memory",
        "The machine has no memory left: end other programs, then run this again.",
    ),
)
_DOWNLOADS: Final = (
    _kind(
        set(),
        r"do not match the hashes|hash mismatch|EINTEGRITY",
        "A downloaded file differs from the one in uv.lock: a proxy or a package mirror changed it; use "
        "another one, then run this again.",
    ),
    _kind(
        set(),
        r"proxyerror|tunnel error|cannot connect to proxy|tunnel connection failed",
        "The proxy in HTTPS_PROXY or HTTP_PROXY can't be reached or refuses: correct or unset it, then run "
        "this again.",
    ),
    _kind(
        set(),
        r"dns error|name resolution|name or service not known|failed to establish a new connection"
        r"|network is unreachable|error sending request|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|timed out",
        "A download failed, because its server can't be reached: check the network and HTTPS_PROXY, then run "
        "this again.",
    ),
    _kind(
        set(),
        r"no matching distribution|http error 40\d|status client error"
        r"|40\d (client error|not found)|\bE40\d",
        "A download failed, because the package registry does not have or does not give it: check that the "
        "registry in PIP_INDEX_URL or UV_DEFAULT_INDEX is a whole one, then run this again.",
    ),
)


@contextmanager
def one_sentence(program: str, ports: str = "") -> Iterator[None]:
    """End a program with one sentence where the machine refuses what it needs.

    Args:
        program: its name, which begins the sentence.
        ports: how its ports are set, such as "with PODLINE_PORT".
    """
    try:
        yield
    except Exception as error:
        sentence = explain_error(error, ports)
        if sentence is None:
            raise
        sys.exit(f"{program}: {sentence}")


def explain_error(error: BaseException, ports: str = "") -> str | None:
    """Return the sentence for what the machine refused; None if it refused nothing of these kinds.

    A program's own timeouts and refused connections are none of them: only it knows what they mean.
    """
    for each in _with_causes(error):
        found = _kind_of(each)
        if found is not None:
            path = os.fsdecode(each.filename) if isinstance(each, OSError) and each.filename else None
            address = _ADDRESS.search(str(each))
            if address is not None:
                path = f"Port {address['port']} on {address['host']}"
            return _sentence(found, path, ports)
    return None


def explain_output(output: str, *, of_download: bool = False) -> str | None:
    """Return the sentence for what a program printed before it failed; None if it names no such kind.

    `of_download`: the program downloads, so a server that does not answer or a file that is not there is
    the network's or the registry's fault. What another program says of such things has its own meaning.
    """
    kind = _kind_in(output, (*_MACHINE, *_DOWNLOADS) if of_download else _MACHINE)
    return None if kind is None else _sentence(kind, None, "")


def _kind_of(error: BaseException) -> _Kind | None:
    # By its name: scripts/lib.sh runs this file with any Python, which may be one without sqlite3.
    if not isinstance(error, OSError) and type(error).__module__ != "sqlite3":
        return None
    by_number = (kind for kind in _MACHINE if getattr(error, "errno", None) in kind.numbers)
    # sqlite3 and tempfile put it in a text of their own.
    return next(by_number, None) or _kind_in(str(error), _MACHINE)


def _kind_in(text: str, kinds: Sequence[_Kind]) -> _Kind | None:
    return next((kind for kind in kinds if kind.words is not None and kind.words.search(text)), None)


def _sentence(kind: _Kind, path: str | None, ports: str) -> str:
    sentence = kind.sentence.replace(_PATH, path or kind.elsewhere)
    return sentence.replace(_PORTS, f" {ports}" if ports else "")


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            for each in seen.exceptions:
                yield from _with_causes(each)
        yield seen
        seen = seen.__cause__


def main() -> int:
    """Print the sentence for a log, for scripts/lib.sh; return 1 if there is none."""
    sentence = explain_output(
        Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace"), of_download=True
    )
    if sentence is not None:
        sys.stdout.write(f"{sentence}\n")
    return int(sentence is None)


if __name__ == "__main__":
    sys.exit(main())
