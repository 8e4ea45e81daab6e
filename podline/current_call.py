"""The call that a bot holds, as far as Podline knows it. `podline.call()` returns it.

A bot that uses it also runs in Pipecat's own runner. There it holds the call of an anonymous caller, and its
methods do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

MUTE_SECONDS: Final = 8.0
"""How long a caller who is owed an answer may hear nothing, by default. Answers take about one second."""


class CurrentCall(Protocol):
    """One call. Podline's runner installs it before it runs the bot."""

    @property
    def session_id(self) -> str:
        """The session's id."""

    @property
    def user_id(self) -> str:
        """Who is calling: the session's user, never what a caller or a model claims."""

    @property
    def agent(self) -> str:
        """The name of the agent that the bot runs as."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The session's metadata, as whoever started it gave it."""

    @property
    def body(self) -> Any:
        """The same as `runner_args.body`."""

    @property
    def mute_seconds(self) -> float:
        """How long a caller who is owed an answer may hear nothing; 0 if the bot may be silent."""

    def end(self, reason: str | None = None) -> None:
        """End the call as `completed`, once the bot has said what it is saying or about to say.

        Returns at once. Only the first call counts.

        Args:
            reason: One sentence for the session's record: what happened.
        """

    def set_goodbye(self, request: str) -> None:
        """Have the model asked for its goodbye with these words, whatever the agent's definition says.

        Call it before the pipeline runs.
        """

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send the caller's page an RTVI server message; `message` is its data, JSON with a `type`."""


def call() -> CurrentCall:
    """Return the call that the bot holds.

    Use it in `bot()` and in what `bot()` starts. A file that is only imported may hold no call yet.
    """
    return _current.get()


def install_call(installed: CurrentCall) -> None:
    """Make this the call of the current task, and of all tasks that it starts."""
    _current.set(installed)


@dataclass(frozen=True)
class UnattachedCall:
    """The call of a bot that Podline does not run. Its methods do nothing."""

    session_id: str = "local"
    user_id: str = "anonymous"
    agent: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    body: Any = field(default_factory=dict)
    mute_seconds: float = MUTE_SECONDS

    def end(self, reason: str | None = None) -> None:
        """Do nothing: the call ends when the bot ends its worker or the caller leaves."""

    def set_goodbye(self, request: str) -> None:
        """Do nothing: only Podline's runner asks for a goodbye."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Do nothing: no page of Podline's listens."""


_current: Final[ContextVar[CurrentCall]] = ContextVar("podline_call", default=UnattachedCall())  # noqa: B039 - frozen
