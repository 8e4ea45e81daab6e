"""What a transport needs to know of the call that it serves."""

from __future__ import annotations

from dataclasses import dataclass, field

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
