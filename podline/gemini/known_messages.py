"""Which messages of a context the model has been given, because a realtime model takes its context once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from podline.gemini.history import text_of_messages


class KnownMessages:
    """The messages of one conversation's context that the model has, by identity.

    Pipecat's aggregators write to the context what the caller said, which the model has heard, and what was
    appended for it, such as typed text, which it has not.
    """

    def __init__(self) -> None:
        self._known: list[Any] = []
        self._early_texts: list[str] = []

    def learn(self, messages: Iterable[Any]) -> None:
        """Note that the model has all of these, and that the context has no others."""
        self._known = list(messages)

    def learn_text(self, messages: Sequence[Any], text: str) -> None:
        """Note that the model has the latest message with this text, or the next: a text may overtake it."""
        said = (message for message in reversed(messages) if self._is_unknown(message))
        last = next((message for message in said if text_of_messages([message]) == text.strip()), None)
        if last is None:
            self._early_texts.append(text.strip())
        else:
            self._known.append(last)

    def forget_texts(self) -> None:
        """Forget texts without a message: the answer to them is given."""
        self._early_texts.clear()

    def add(self, messages: Iterable[Any]) -> None:
        """Note that the model has these messages, which the context may not have yet."""
        self._known.extend(messages)

    def unknown(self, messages: Sequence[Any]) -> str:
        """Return the text of the latest messages, after the last answer, that the model hasn't got."""
        latest = [*itertools.takewhile(_is_of_user, reversed(messages))][::-1]
        for text in self._early_texts[:]:
            if any(self._is_unknown(message) and text_of_messages([message]) == text for message in latest):
                self._early_texts.remove(text)
                self.learn_text(latest, text)
        return text_of_messages(message for message in latest if self._is_unknown(message))

    def _is_unknown(self, message: Any) -> bool:
        return _is_of_user(message) and not any(message is known for known in self._known)


def _is_of_user(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") in ("user", "developer")
