"""What a transport needs to know of the call that it serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from podline.errors import ConfigInvalid
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

    A bot imports the class by its name, so it has to be ours before that. A bot that waits for its call is
    imported before its call is known: then this is called twice, first without `of_call`, and the class that
    the bot has imported learns of the call.

    Args:
        module: Pipecat's.
        name: Its class.
        transport: Our subclass of that.
        of_call: What ours takes before Pipecat's arguments.
    """
    if not issubclass(getattr(module, name), transport):
        setattr(module, name, _call_transport(name, transport))
    getattr(module, name).podline_call = of_call


def _call_transport(name: str, transport: Any) -> type:
    class CallTransport(transport):  # type: ignore[misc]  # whichever of the three it is
        podline_call: ClassVar[tuple[Any, ...]] = ()

        def __init__(self, *args: Any, **options: Any) -> None:
            if not CallTransport.podline_call:
                raise ConfigInvalid(
                    f"The bot makes its {name} while it is imported: make it in bot(runner_args), once "
                    "there is a call."
                )
            super().__init__(*CallTransport.podline_call, *args, **options)

    # Processors are named after their class.
    CallTransport.__name__ = CallTransport.__qualname__ = name
    return CallTransport
