"""The log of one process: two files that keep its newest part and can be followed while it grows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path


class BoundedLog:
    """Keeps between `limit_bytes` and twice as much of the newest output, in two halves."""

    def __init__(self, directory: Path, limit_bytes: int = 1024 * 1024) -> None:
        self.directory = directory
        self._current = directory / "bot.log"
        self._earlier = directory / "bot.log.1"
        self._next = directory / "bot.log.next"
        self._limit = limit_bytes
        self._file = self._current.open("wb", buffering=0)
        self._earlier_begins = self._current_begins = 0
        self._end = 0
        self._is_closed = False
        self._changed = asyncio.Event()

    def write(self, text: bytes) -> None:
        """Append text. Raises OSError if the disk is full; the part already written is kept."""
        if self._end - self._current_begins + len(text) > self._limit:
            self._turn_over()
        self._end += self._file.write(text)
        self._wake()

    def close(self) -> None:
        self._file.close()
        self._is_closed = True
        self._wake()

    def text(self) -> bytes:
        """Return the kept text."""
        position, parts = self._earlier_begins, []
        while position < self._end:
            position, part = self._read_from(position)
            parts.append(part)
        return b"".join(parts)

    async def read(self, *, follow: bool) -> AsyncIterator[bytes]:
        """Yield the kept text; with `follow`, also text appended until the log is closed."""
        position = self._earlier_begins
        while True:
            while position < self._end:
                position, text = self._read_from(position)
                yield text
            if self._is_closed or not follow:
                return
            await self._changed.wait()

    def _read_from(self, position: int) -> tuple[int, bytes]:
        """Return the text from `position`, or from the oldest kept, to the end of its half."""
        position = max(position, self._earlier_begins)
        in_earlier = position < self._current_begins
        path, begins = (
            (self._earlier, self._earlier_begins) if in_earlier else (self._current, self._current_begins)
        )
        with path.open("rb") as file:
            file.seek(position - begins)
            text = file.read(self._limit)
        return position + len(text), text

    def _turn_over(self) -> None:
        # Opened first: on a full disk this fails and changes nothing.
        successor = self._next.open("wb", buffering=0)
        self._current.replace(self._earlier)
        self._next.replace(self._current)
        self._file.close()
        self._file = successor
        self._earlier_begins, self._current_begins = self._current_begins, self._end

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
