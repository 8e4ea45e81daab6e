"""The resumption handle that brings back the whole conversation, if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LONGEST_HANDLE: Final = 4096
COMPRESSED_FROM: Final = 50_000
"""Tokens from which a shorter context may mean compression: by default at 80% of a window of 128,000 tokens
(ai.google.dev/gemini-api/docs/live-session)."""
_LEAST_KEPT: Final = {"AUDIO": 0.5}
_LEAST_KEPT_OF_OTHERS: Final = 0.95
"""How much of the known context a session must still have. Counts of the same context vary a little, and the
audio of an answer that was cut off is counted although the context doesn't keep it."""


class Resumption:
    """The handle of one conversation, and what is known about what it brings back.

    A handle stands for the conversation up to when it was made. It is used only if no turn was completed
    since, and at least one before: a handle from before the first turn brings back nothing.
    """

    def __init__(self) -> None:
        self._handle: str | None = None
        self._turns = 0
        self._turns_in_handle = 0
        self._known_tokens: Mapping[str, int] = {}
        self._is_untried = False

    @property
    def usable(self) -> str | None:
        """The handle that brings back everything said so far."""
        return self._handle if self._turns and self._turns_in_handle == self._turns else None

    def opened(self, *, is_resumed: bool) -> None:
        """Note that a session has opened."""
        if not is_resumed:
            self._handle = None
            self._turns = self._turns_in_handle = 0
            self._known_tokens = {}
        self._is_untried = is_resumed

    def offered(self, handle: str) -> None:
        """Take a handle from the model."""
        if len(handle) <= LONGEST_HANDLE:
            self._handle = handle
            self._turns_in_handle = self._turns

    def turn_completed(self) -> None:
        self._turns += 1

    def refused(self) -> None:
        """Forget the handle."""
        self._handle = None

    def has_forgotten(self, prompt: Mapping[str, int], response: Mapping[str, int]) -> bool:
        """Take a turn's tokens by modality; return whether a resumed session has lost its context.

        Each modality is compared on its own: the audio of a long turn would hide that text is missing.
        """
        is_first, self._is_untried = self._is_untried, False
        known = self._known_tokens
        self._known_tokens = {kind: count + response.get(kind, 0) for kind, count in prompt.items()}
        return is_first and any(
            prompt.get(kind, 0) < count * _LEAST_KEPT.get(kind, _LEAST_KEPT_OF_OTHERS)
            for kind, count in known.items()
            if count < COMPRESSED_FROM
        )
