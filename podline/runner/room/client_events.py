"""The events about clients that a bot gets from its transport: its caller comes once, and goes once.

Pipecat's bots greet at `on_client_connected` and end the call at `on_client_disconnected`. A caller whose
connection was lost may return, so the bot is told of neither until it is certain that they don't.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from pipecat.transports.base_transport import BaseTransport

_CONNECTED: Final = "on_client_connected"
_FIRST: Final = "on_first_participant_joined"
_DISCONNECTED: Final = ("on_client_disconnected", "on_participant_disconnected", "on_participant_left")

Deliver = Callable[[], Awaitable[None]]


class ClientEvents:
    """Holds the events that say that the caller is gone, until they are certain."""

    def __init__(self) -> None:
        self._delivered: set[str] = set()
        self._held: list[Deliver] = []

    async def pass_on(self, event: str, deliver: Deliver, *, is_caller: bool) -> None:
        """Deliver an event now, later, or not at all.

        Args:
            event: The transport's name for it.
            deliver: Calls the bot's handlers.
            is_caller: False if the event is about somebody else in the room.
        """
        if event == _CONNECTED:
            self._held.clear()
            if not is_caller:
                return
        if event in (_CONNECTED, _FIRST):
            if event in self._delivered:
                return
            self._delivered.add(event)
        elif event in _DISCONNECTED and is_caller:
            self._held.append(deliver)
            return
        elif event == _DISCONNECTED[0]:
            return
        await deliver()

    async def deliver_held(self) -> None:
        """Deliver what was held: the caller is gone for good."""
        held, self._held = self._held, []
        for deliver in held:
            await deliver()


class ToldOfCaller(BaseTransport):
    """Mixed into a Pipecat transport before it: the call learns of each event first, then perhaps the bot."""

    client_events: ClientEvents

    def note_event(self, event: str, *args: Any) -> None:
        """Note an event before the bot may."""

    def concerns_caller(self, client: Any) -> bool:  # noqa: ARG002 - a peer has only one client
        """Return whether an event about this client is about the caller."""
        return True

    async def _call_event_handler(self, event_name: str, *args: Any, **kwargs: Any) -> None:
        self.note_event(event_name, *args)
        call: Callable[..., Awaitable[None]] = super()._call_event_handler

        async def deliver() -> None:
            await call(event_name, *args, **kwargs)

        is_caller = not args or self.concerns_caller(args[0])
        await self.client_events.pass_on(event_name, deliver, is_caller=is_caller)
