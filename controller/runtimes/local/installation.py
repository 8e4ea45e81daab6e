"""The id of an installation on this machine: kept in a file that its running controller holds locked."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from controller.core.runtime import INSTALLATION_CHARACTERS

log = logging.getLogger("podline.runtimes.local")

_MOST_AT_ONCE: Final = 100
"""How many controllers of one user may run at the same time and have ids that are kept."""

_ID: Final = re.compile(rb"[0-9a-f]{%d}\n" % INSTALLATION_CHARACTERS)


def state_directory(variables: Mapping[str, str]) -> Path | None:
    """Return where programs keep what outlives them; None if the environment names no such place.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    for name, below in (("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        if (base := Path(variables.get(name, ""))).is_absolute():
            return base / below / "podline"
    return None


class LocalInstallation:
    """Takes the first id that no other running controller uses, or makes one, when it is first needed.

    A controller that is restarted gets its former id again and can sweep up what it left behind. One that
    runs beside it has another: neither touches what belongs to the other.
    """

    def __init__(self, directory: Path | None, new_id: Callable[[], str]) -> None:
        """Touch nothing yet.

        Args:
            directory: where ids are kept; None keeps none.
            new_id: returns random hexadecimal digits.
        """
        self._directory = directory
        self._new_id = new_id
        self._id: str | None = None
        self._lock: int | None = None

    @property
    def id(self) -> str:
        if self._id is None:
            self._id = self._kept_id() or self._new_id()
        return self._id

    def close(self) -> None:
        """Let another controller have the id. This one still knows it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _kept_id(self) -> str | None:
        """Return an id that is locked from now on; None if none can be kept."""
        if self._directory is None:
            return None
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock_first(self._directory)
            return None if self._lock is None else _read_or_write(self._lock, self._new_id)
        except OSError as error:
            # Rooms that this controller leaves behind are not swept up; they expire.
            log.warning("installation id not kept", extra={"error": error.strerror})
            return None


def _lock_first(directory: Path) -> int | None:
    """Return the first file that no other controller has locked."""
    for number in range(1, _MOST_AT_ONCE + 1):
        file = os.open(directory / f"installation-{number}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        except OSError:
            os.close(file)
            raise
        else:
            return file
    return None


def _read_or_write(file: int, new_id: Callable[[], str]) -> str:
    """Return the id in a locked file. One that is empty or damaged gets another."""
    text = os.pread(file, INSTALLATION_CHARACTERS + 2, 0)
    if not _ID.fullmatch(text):
        text = f"{new_id()}\n".encode()
        os.ftruncate(file, 0)
        os.pwrite(file, text, 0)
    return text.decode().rstrip()
