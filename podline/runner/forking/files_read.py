"""The files that were read while a bot was imported: once one is another, so would the bot be."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

_LIBRARIES: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_OF_THE_SYSTEM: Final = ("/dev/", "/etc/", "/proc/", "/sys/", "/usr/")

_Version = tuple[int, int, int] | None


class FilesRead:
    """Knows which files Python opens for reading from its making until `stop`, and how they were.

    The packages of an environment are watched as a whole, by when something was last installed.
    """

    def __init__(self) -> None:
        self._versions: dict[str, _Version] = {}
        self._is_watching = True
        for directory in _LIBRARIES:
            self.watch(directory)
        sys.addaudithook(self._note)

    def watch(self, path: str) -> None:
        """Watch this file or directory, which may be missing."""
        self._versions.setdefault(path, _version(path))

    def stop(self) -> None:
        """Take up no more files. A hook can't be removed, but does nothing from now on."""
        self._is_watching = False

    def have_changed(self) -> bool:
        """Return whether one of them is not any more what it was."""
        return any(_version(path) != version for path, version in self._versions.items())

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        # Called before the file is opened: what is written meanwhile is noticed.
        if not self._is_watching or event != "open":
            return
        path, mode, flags = args
        if not isinstance(path, str | bytes | os.PathLike) or not _only_reads(mode, flags):
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link is what may be changed
        if name.endswith(".pyc"):
            name = _source_of(name)
        if not name.startswith((*_LIBRARIES, *_OF_THE_SYSTEM)):
            self.watch(name)


def _only_reads(mode: str | None, flags: int) -> bool:
    if mode is None:
        return flags & os.O_ACCMODE == os.O_RDONLY
    return not {"w", "a", "x", "+"} & set(mode)


def _source_of(compiled: str) -> str:
    try:
        return importlib.util.source_from_cache(compiled)
    except ValueError:
        return compiled


def _version(path: str) -> _Version:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
