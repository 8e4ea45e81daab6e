"""The bot's place in a provider's room: refused or lost once, and kept a while where the connection broke."""

import asyncio
from typing import Final

from podline.errors import BotError, RoomLost, RoomRefused
from podline.runner.room.presence import Presence

_WORDS_LENGTH: Final = 200


class Membership:
    """Tells `Presence` the first failure of a room, and nothing after it."""

    def __init__(self, provider: str, server: str, token: str, presence: Presence) -> None:
        """`provider` and `server` are what sentences call them; `token` must not stand in one."""
        self._provider = provider
        self._server = server
        self._token = token
        self._presence = presence
        self._loop = asyncio.get_running_loop()
        self._recovery: asyncio.TimerHandle | None = None
        self.is_over = False

    @property
    def is_interrupted(self) -> bool:
        """Whether the connection is being waited for."""
        return self._recovery is not None

    def refuse(self, words: str, remedy: str) -> None:
        """The bot was not let in, for a reason in the provider's words; `remedy` says what to do."""
        self._fail(RoomRefused(f"{self._provider} did not let the bot in: {self._clean(words)}; {remedy}."))

    def lose(self, words: str) -> None:
        """The bot is out, for a reason in the provider's words."""
        self._fail(RoomLost(f"The {self._provider} room was lost: {self._clean(words)}."))

    def interrupted(self, seconds: float) -> None:
        """The connection broke; the room is lost unless it has recovered by then."""
        if not self.is_over and self._recovery is None:
            words = f"the connection to {self._server} was interrupted for {seconds:g} seconds"
            self._recovery = self._loop.call_later(seconds, self.lose, words)

    def recovered(self) -> None:
        """The connection is whole."""
        if self._recovery is not None:
            self._recovery.cancel()
            self._recovery = None

    def finish(self) -> None:
        """From now on nothing that the provider tells can be a failure."""
        self.is_over = True
        self.recovered()

    def _fail(self, error: BotError) -> None:
        if not self.is_over:
            self.finish()
            self._presence.room_failed(error)

    def _clean(self, words: str) -> str:
        """A provider's words as part of a sentence, without the token should they hold it."""
        return " ".join(words.replace(self._token, "...").split())[:_WORDS_LENGTH].rstrip(" .")
