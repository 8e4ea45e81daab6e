"""Ids that count up, `EPOCH-N`: those of another process, or of one yet to come, are told from our own."""

import secrets


class EventIds:
    """Hands out numbers from 1 on, and reads them back out of ids."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(4)
        self._last = 0

    def take(self) -> int:
        self._last += 1
        return self._last

    def id_of(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def number_of(self, known_id: str | None) -> int:
        """The number in an id that was handed out here; 0, before the first, for anything else."""
        epoch, _, digits = (known_id or "").partition("-")
        if epoch != self._epoch or not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return 0
        number = int(digits)
        return number if number <= self._last else 0
