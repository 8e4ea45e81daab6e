"""What the store's routes work on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from sandbox.gemini.record import ModelRecord
from sandbox.misbehaviour import Orders
from sandbox.openai.record import OpenAIRecords
from sandbox.store.access import StoreAccess
from sandbox.store.behaviour import StoreOrders, no_orders
from sandbox.store.catalogue import Catalogue
from sandbox.store.database import Database


class RequestRecord(msgspec.Struct, frozen=True):
    """A request a bot made."""

    path: str
    body: Any
    at: datetime


class SandboxStore(msgspec.Struct):
    """The shop, and what its control API shows and takes.

    Attributes:
        now: The time of day.
        model: What the model did.
        access: Who may ask for what.
        orders: What is to go wrong in the store.
        orders_elsewhere: What is to go wrong in other parts of the sandbox, by target.
        requests: Each request of a bot, oldest first.
        openai: What OpenAI did.
    """

    catalogue: Catalogue
    database: Database
    now: Callable[[], datetime]
    model: ModelRecord
    access: StoreAccess = msgspec.field(default_factory=StoreAccess)
    orders: StoreOrders = msgspec.field(default_factory=no_orders)
    orders_elsewhere: dict[str, Orders[Any]] = {}
    requests: list[RequestRecord] = []
    openai: OpenAIRecords = msgspec.field(default_factory=OpenAIRecords)
