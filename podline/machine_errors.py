"""What a machine refuses any program, such as disk space or a port: for each, a sentence with the remedy."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PATH: Final = "{path}"


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


_KINDS: Final = (
    _kind(
        {errno.ENOSPC, errno.EDQUOT},
        r"no space left on device|disk quota exceeded|disk is full|not enough free space|ENOSPC",
        "The disk of {path} is full: free some space there, then run this again.",
        "this folder or of the temporary folder",
    ),
    _kind(
        {errno.EROFS},
        r"read-only file system|EROFS",
        "{path} is on a read-only file system: make it writable, or use a folder that is.",
        "A file that has to be written",
    ),
    _kind(
        {errno.EADDRINUSE},
        r"address already in use|port is already allocated|EADDRINUSE",
        "The port is taken: stop the program that listens there, or choose another port.",
    ),
    _kind(
        {errno.EADDRNOTAVAIL},
        r"can(no|')t assign requested address",
        "This machine does not have that address: listen on 127.0.0.1, 0.0.0.0 or an address of its own.",
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


def explain_error(error: BaseException) -> str | None:
    """Return the sentence for what the machine refused; None if it is not of these kinds."""
    for each in _with_causes(error):
        if not isinstance(each, OSError):
            # sqlite3 and others wrap the system's error in a text of their own.
            if (sentence := explain_output(str(each))) is not None:
                return sentence
            continue
        for kind in _KINDS:
            if each.errno in kind.numbers:
                return kind.sentence.replace(_PATH, _path_of(each) or kind.elsewhere)
    return None


def explain_output(output: str) -> str | None:
    """Return the sentence for what a program printed before it failed; None if it names no such kind."""
    for kind in _KINDS:
        if kind.words is not None and kind.words.search(output):
            sentence = kind.sentence.replace(_PATH, kind.elsewhere)
            return sentence[0].upper() + sentence[1:]
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            for each in seen.exceptions:
                yield from _with_causes(each)
        yield seen
        seen = seen.__cause__


def _path_of(error: OSError) -> str | None:
    return None if error.filename is None else os.fsdecode(error.filename)
