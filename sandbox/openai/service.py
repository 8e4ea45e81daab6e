"""What all of OpenAI's endpoints share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.ears import Ears
from sandbox.openai.orders import OpenAIOrders, no_orders
from sandbox.openai.record import OpenAIRecords
from sandbox.voice import Voice


@dataclass(eq=False, kw_only=True)
class OpenAI:
    """What the endpoints share.

    Attributes:
        key: The API key that a client must have.
        ears: What recognizes speech.
        voice: What speaks.
        categories: The shop's categories, in which a search may name one.
        sleep: Waits for so many seconds.
        now: The time of day.
        orders: What is to go wrong.
        record: What has happened.
    """

    key: str
    ears: Ears
    voice: Voice
    categories: Collection[str]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    orders: OpenAIOrders = field(init=False, default_factory=no_orders)
    record: OpenAIRecords = field(init=False, default_factory=OpenAIRecords)
