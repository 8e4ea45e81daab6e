"""What a transport needs to know of the call that it serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podline.runner.room.client_events import ClientEvents
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.protocols import Presence


@dataclass(frozen=True)
class CallerMeeting:
    """The bot's meeting with its caller.

    Attributes:
        presence: Learns who is there.
        messages: Limits what the caller's client sends.
        events: Decides what the bot learns of clients.
    """

    presence: Presence
    messages: ClientMessages
    events: ClientEvents = field(default_factory=ClientEvents)


def replace_transport(module: Any, name: str, transport: Any, *of_call: Any) -> None:
    """Have whoever makes the transport that a module of Pipecat's has under this name get ours.

    Args:
        module: Pipecat's.
        name: Its class.
        transport: Our subclass of that.
        of_call: What ours takes before Pipecat's arguments.
    """

    class CallTransport(transport):  # type: ignore[misc]  # whichever of the three it is
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*of_call, *args, **options)

    # Processors are named after their class.
    CallTransport.__name__ = CallTransport.__qualname__ = name
    setattr(module, name, CallTransport)
