"""Saved lists and transcripts, in SQLite and in a JSON Lines file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS saved (
  user_id TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (user_id, number));
CREATE TABLE IF NOT EXISTS turns (
  session_id TEXT NOT NULL, position INTEGER NOT NULL, user_id TEXT NOT NULL,
  role TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (session_id, position));
"""


class SavedTurn(msgspec.Struct, frozen=True, rename="camel"):
    """One finished turn of a call, `at` in RFC 3339."""

    session_id: str
    user_id: str
    index: int
    role: str
    text: str
    at: str


class Database:
    """Everything the store keeps. Each change is whole or not at all, and repeating it changes nothing."""

    def __init__(self, directory: Path) -> None:
        self._transcripts = directory / "transcripts.jsonl"
        self._connection = sqlite3.connect(directory / "store.sqlite3", isolation_level=None)
        self._connection.executescript(_SCHEMA)

    def save(self, user_id: str, number: int) -> bool:
        """Put a product on a user's list; whether it was not there before."""
        changed = self._connection.execute("INSERT OR IGNORE INTO saved VALUES (?, ?)", (user_id, number))
        return changed.rowcount > 0

    def remove(self, user_id: str, number: int) -> bool:
        """Take a product off a user's list; whether it was there."""
        changed = self._connection.execute(
            "DELETE FROM saved WHERE user_id = ? AND number = ?", (user_id, number)
        )
        return changed.rowcount > 0

    def saved(self, user_id: str) -> list[int]:
        """The numbers on a user's list, in the order in which they were saved."""
        rows = self._connection.execute(
            "SELECT number FROM saved WHERE user_id = ? ORDER BY rowid", (user_id,)
        )
        return [number for (number,) in rows]

    def store_turns(self, turns: list[SavedTurn]) -> None:
        """Keep turns. One with the session and index of a kept turn is the same turn again."""
        with self._connection:
            self._connection.execute("BEGIN")
            fresh = [turn for turn in turns if self._store_turn(turn)]
            with self._transcripts.open("ab") as lines:
                lines.write(b"".join(msgspec.json.encode(turn) + b"\n" for turn in fresh))

    def turns(self, session_id: str) -> list[SavedTurn]:
        """A session's turns in their order."""
        rows = self._connection.execute(
            "SELECT session_id, user_id, position, role, text, at FROM turns"
            " WHERE session_id = ? ORDER BY position",
            (session_id,),
        )
        return [SavedTurn(*row) for row in rows]

    def close(self) -> None:
        self._connection.close()

    def _store_turn(self, turn: SavedTurn) -> bool:
        values: tuple[Any, ...] = (turn.session_id, turn.index, turn.user_id, turn.role, turn.text, turn.at)
        stored = self._connection.execute("INSERT OR IGNORE INTO turns VALUES (?, ?, ?, ?, ?, ?)", values)
        return stored.rowcount > 0
