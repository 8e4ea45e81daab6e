"""The model's callers: the conversations of each, and the orders that are aimed at one caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sandbox.gemini.faults import Aimed, Fault
from sandbox.gemini.manners import Amnesia, Manner, ModelOrder
from sandbox.misbehaviour import Orders

COMES_BACK_SECONDS: Final = 10.0
"""A connection that begins anew this soon after one was lost counts as the same caller's."""


def _orders() -> Orders[Any]:
    return Orders(ModelOrder)


@dataclass(eq=False, kw_only=True)
class ModelCaller:
    """One caller of the model, over all connections and conversations.

    Attributes:
        host: The client's last address.
        instruction: The system instruction of the last connection.
        aim: The text in the instruction by which orders are aimed at this caller.
        conversations: Names of the conversations, oldest first.
        utterances: How many times the caller has spoken or typed.
        unanswered: The words of the last utterance, as long as it is not answered.
        orders: What is to go wrong for this caller alone.
        connections: The connections that work.
        lost_at: When a connection was last lost, if one was and none works.
    """

    host: str = ""
    instruction: str = ""
    aim: str | None = None
    conversations: list[str] = field(default_factory=list)
    utterances: int = 0
    unanswered: str | None = None
    orders: Orders[Any] = field(default_factory=_orders)
    connections: set[object] = field(default_factory=set)
    lost_at: float | None = None

    def count(self, words: str | None) -> None:
        """Count an utterance, unless it is sent again because it was not answered."""
        if words is None or words != self.unanswered:
            self.utterances += 1
        self.unanswered = words

    def came(self, connection: object) -> None:
        """Note that a connection works."""
        self.connections.add(connection)
        self.lost_at = None

    def went(self, connection: object, lost_at: float | None) -> None:
        """Note that a connection has ended, and when the caller lost it, if they did."""
        self.connections.discard(connection)
        if not self.connections and lost_at is not None:
            self.lost_at = lost_at


class ModelOrders(Orders[Any]):
    """What is to go wrong with the model, for all callers or for one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(ModelOrder)
        self._clock = clock
        self._callers: list[ModelCaller] = []

    async def accept(self, order: Any) -> int:
        """Apply an order at once or keep it; return how many connected sessions it was applied to.

        An order for a caller who is not connected waits, and so do the rest of its `times`.

        Raises:
            msgspec.ValidationError: There is no such conversation.
        """
        if order.conversation is None and order.instruction is None:
            return await super().accept(order)
        caller = self._caller_meant(order)
        met = await caller.orders.apply(order) if order.now else 0
        left = order.times if order.times is None else order.times - min(met, 1)
        if left != 0:
            caller.orders.keep(order, left)
        return met

    def reset(self) -> None:
        """Forget all orders, and who was expected back. Sessions that already misbehave go on."""
        super().reset()
        for caller in self._callers:
            caller.orders.reset()
            caller.lost_at = None

    def join(self, caller: ModelCaller, conversation: str) -> None:
        """Note that a caller has begun a conversation."""
        caller.conversations.append(conversation)
        if caller not in self._callers:
            self._callers.append(caller)

    def expected(self, host: str) -> ModelCaller | None:
        """Return the caller who has just lost a connection from this address and has not come back."""
        return self._last_lost(host, self._callers)

    def known(self, host: str, instruction: str) -> ModelCaller | None:
        """Return the caller at whom orders are aimed by this instruction, or else who is expected."""
        named = next((caller for caller in self._callers if caller.aim and caller.aim in instruction), None)
        return named or self._last_lost(host, [caller for caller in self._callers if caller.aim is None])

    def _last_lost(self, host: str, callers: list[ModelCaller]) -> ModelCaller | None:
        since = self._clock() - COMES_BACK_SECONDS
        lost = {
            caller.lost_at: caller for caller in callers if caller.host == host and caller.lost_at is not None
        }
        last = max(lost, default=since)
        return lost.get(last) if last > since else None

    def take_fault(self, caller: ModelCaller | None, kinds: Any, *, resumed: bool | None) -> Fault | None:
        """Return the oldest fault that applies to a connection, and use it up, if it is of these kinds.

        Args:
            caller: Whose connection it is, if that is known.
            kinds: The kinds that can happen at this point.
            resumed: Whether it came with a handle; None if that is not known yet.
        """
        for orders in self._of(caller):
            oldest = orders.first(
                lambda order: not isinstance(order, Manner) and _fits(order, resumed=resumed)
            )
            if oldest is not None:
                return _take(orders, oldest) if isinstance(oldest, kinds) else None
        return None

    def take_manners(self, caller: ModelCaller, *, resumed: bool) -> list[Manner]:
        """Return the manners of a connection, and use each up once."""
        return [
            manner
            for orders in self._of(caller)
            for manner in orders.take_all(
                lambda order: isinstance(order, Manner) and _fits(order, resumed=resumed)
            )
        ]

    def _of(self, caller: ModelCaller | None) -> list[Orders[Any]]:
        return [self] if caller is None else [caller.orders, self]

    def _caller_meant(self, order: Aimed) -> ModelCaller:
        if order.instruction is not None:
            return self._caller_with(order.instruction)
        for caller in self._callers:
            if order.conversation in caller.conversations:
                return caller
        raise msgspec.ValidationError(f"there is no conversation {order.conversation}")

    def _caller_with(self, text: str) -> ModelCaller:
        """Return the caller with this text in the system instruction, even one who has yet to connect."""
        for caller in self._callers:
            if caller.aim == text or (caller.aim is None and text in caller.instruction):
                caller.aim = text
                return caller
        caller = ModelCaller(aim=text)
        self._callers.append(caller)
        return caller


def _take(orders: Orders[Any], wanted: Any) -> Any:
    return orders.take(lambda order: order is wanted)


def _fits(order: Aimed, *, resumed: bool | None) -> bool:
    if order.connection == "any":
        return resumed is True or not isinstance(order, Amnesia)
    return resumed is not None and order.connection == ("resumed" if resumed else "fresh")
