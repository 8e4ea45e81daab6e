"""The model: what all connections to it share."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.ears import Ears
from sandbox.gemini import wire
from sandbox.gemini.callers import ModelCaller, ModelOrders
from sandbox.gemini.faults import Unreachable
from sandbox.gemini.memory import Memory
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.record import ModelRecord, RefusalRecord
from sandbox.gemini.tokens import EphemeralTokens
from sandbox.voice import Voice


@dataclass(eq=False, kw_only=True)
class Gemini:
    """What all sessions share.

    Attributes:
        key: The API key a client must have.
        categories: The shop's categories, in which a search may name one.
        clock: Seconds on a clock that only goes forward.
        now: The time of day.
        tokens: The tokens that a client may show instead of the key.
        orders: What is to go wrong.
        record: What has happened.
        memories: What a session's resumption handle brings back.
    """

    key: str
    ears: Ears
    voice: Voice
    categories: Collection[str]
    pacing: Pacing
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    tokens: EphemeralTokens
    orders: ModelOrders = field(init=False)
    record: ModelRecord = field(init=False, default_factory=ModelRecord)
    memories: dict[str, Memory] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.orders = ModelOrders(self.clock)

    def turns_away(self, host: str) -> bool:
        """Return whether the connection that is just being made from an address is reset at once."""
        caller = self.orders.expected(host)
        fault = self.orders.take_fault(caller, Unreachable, resumed=None)
        if fault is not None:
            self.note_refusal(fault.name, caller)
        return fault is not None

    def note_refusal(self, misbehaviour: str, caller: ModelCaller | None) -> None:
        """Record that a caller, if known, does not get a connection."""
        self.record.refused.append(RefusalRecord(self.now(), misbehaviour))
        if caller is not None:
            caller.lost_at = self.clock()

    def recall(self, setup: wire.Setup) -> Memory | None:
        """Return what a client's handle brings back, if it presents one.

        Raises:
            ProtocolError: The handle is unknown.
        """
        handle = setup.handle
        if handle is None:
            return None
        memory = self.memories.get(handle)
        if memory is None:
            raise wire.ProtocolError(wire.REFUSED, "BidiGenerateContent session not found")
        return memory

    def recalls(self, setup: wire.Setup) -> bool:
        """Return whether a session's handle is known, so that it continues another's memory."""
        return setup.handle in self.memories

    def begin_conversation(self, caller: ModelCaller) -> Memory:
        """Return the memory of a conversation that begins."""
        memory = Memory(name=secrets.token_hex(4), caller=caller)
        self.orders.join(caller, memory.name)
        return memory

    def new_handle(self, memory: Memory) -> str:
        """Return another handle to a memory."""
        handle = secrets.token_urlsafe(16)
        self.memories[handle] = memory
        memory.handles.append(handle)
        return handle
