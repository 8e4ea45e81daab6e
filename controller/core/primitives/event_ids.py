"""Ids that count up, `EPOCH-N`. The epoch distinguishes them from those of any other process."""

import secrets


class EventIds:
    """Issues numbers from 1 on, and reads them back from ids."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(4)
        self._last = 0

    def take(self) -> int:
        self._last += 1
        return self._last

    def id_of(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def number_of(self, known_id: str | None) -> int:
        """Return the number in an id that was issued here; 0, which precedes the first, for anything else."""
        epoch, _, digits = (known_id or "").partition("-")
        if epoch != self._epoch or not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return 0
        number = int(digits)
        return number if number <= self._last else 0
