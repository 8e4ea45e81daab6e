"""The bot's membership in a provider's room: refused or lost once, and kept while a connection recovers."""

from typing import Final

from podline.errors import BotError, RoomLost, RoomRefused
from podline.runner.room.protocols import Presence
from podline.timer import Timer

_MAX_CHARACTERS: Final = 200


class Membership:
    """Reports the first failure of a room to `Presence`, and nothing after it."""

    def __init__(self, provider: str, server: str, token: str, presence: Presence) -> None:
        """`provider` and `server` are names for use in sentences; no sentence may contain `token`."""
        self._provider = provider
        self._server = server
        self._token = token
        self._presence = presence
        self._recovery = Timer()
        self.is_over = False

    @property
    def is_interrupted(self) -> bool:
        """True while waiting for the connection to recover."""
        return self._recovery.is_running

    def refuse(self, words: str, remedy: str) -> None:
        """Report that the bot was refused. `words` is the provider's reason, `remedy` says what to do."""
        self._fail(RoomRefused(f"{self._provider} did not let the bot in: {self._clean(words)}; {remedy}."))

    def lose(self, words: str) -> None:
        """Report that the room is lost. `words` is the provider's reason."""
        self._fail(RoomLost(f"The {self._provider} room was lost: {self._clean(words)}."))

    def interrupted(self, seconds: float) -> None:
        """Note a broken connection; the room is lost unless it recovers in time."""
        if not (self.is_over or self.is_interrupted):
            words = f"the connection to {self._server} was interrupted for {seconds:g} seconds"
            self._recovery.start(seconds, self.lose, words)

    def recovered(self) -> None:
        """Note that the connection works."""
        self._recovery.cancel()

    def finish(self) -> None:
        """Ignore everything that the provider reports from now on."""
        self.is_over = True
        self.recovered()

    def _fail(self, error: BotError) -> None:
        if not self.is_over:
            self.finish()
            self._presence.room_failed(error)

    def _clean(self, words: str) -> str:
        """Return a provider's words as part of a sentence, without the token."""
        return " ".join(words.replace(self._token, "...").split())[:_MAX_CHARACTERS].rstrip(" .")
