"""Misbehaviours that were ordered from outside, kept until a session or request that they apply to comes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Misbehaviour(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="name",
    tag=_snake_case,
):
    """A way in which a part of the sandbox is ordered to misbehave. Its `name` is the class's, in snake case.

    Attributes:
        target: The part of the sandbox.
        times: To how many sessions or requests it applies; None until everything is reset.
        now: True if it applies to the connected sessions, instead of the next ones.
    """

    target: str
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    now: bool = False

    @property
    def name(self) -> str:
        return str(self.__struct_config__.tag)


Order = TypeVar("Order", bound=Misbehaviour)


class Orders(Generic[Order]):
    """The misbehaviours ordered of one part of the sandbox, oldest first.

    Attributes:
        listeners: The connected sessions, which take what is ordered with `now`.
    """

    def __init__(self, kinds: Any) -> None:
        """Args: kinds: The misbehaviours there are, as a union of their types."""
        self.listeners: set[Callable[[Order], Awaitable[None]]] = set()
        self._kinds = kinds
        self._waiting: list[tuple[Order, int | None]] = []

    async def add(self, body: bytes) -> int:
        """Take an order; return how many connected sessions it was applied to at once.

        Raises:
            msgspec.MsgspecError: It is no JSON, or no misbehaviour of this part.
        """
        return await self.accept(self.read(body))

    def read(self, body: bytes) -> Order:
        """Read an order.

        Raises:
            msgspec.MsgspecError: It is no JSON, or no misbehaviour of this part.
        """
        order: Order = msgspec.json.decode(body, type=self._kinds)
        return order

    async def accept(self, order: Order) -> int:
        """Apply an order at once or keep it; return how many connected sessions it was applied to."""
        if order.now:
            return await self.apply(order)
        self.keep(order, order.times)
        return 0

    async def apply(self, order: Order) -> int:
        """Apply an order to all connected sessions; return how many there are."""
        listeners = tuple(self.listeners)
        for listen in listeners:
            await listen(order)
        return len(listeners)

    def keep(self, order: Order, times: int | None) -> None:
        """Keep an order for the next sessions or requests."""
        self._waiting.append((order, times))

    def first(self, applies: Callable[[Order], bool]) -> Order | None:
        """Return the oldest order that applies, without using it up."""
        return next((order for order, _ in self._waiting if applies(order)), None)

    def take(self, applies: Callable[[Order], bool]) -> Order | None:
        """Return the oldest order that applies, and use it up once."""
        for index, (order, left) in enumerate(self._waiting):
            if applies(order):
                self._use(index, order, left)
                return order
        return None

    def take_all(self, applies: Callable[[Order], bool]) -> list[Order]:
        """Return every order that applies, and use each up once."""
        taken = [(order, left) for order, left in self._waiting if applies(order)]
        for order, left in taken:
            self._use(self._waiting.index((order, left)), order, left)
        return [order for order, _ in taken]

    def reset(self) -> None:
        """Forget all orders. Sessions that already misbehave go on."""
        self._waiting.clear()

    def _use(self, index: int, order: Order, left: int | None) -> None:
        if left == 1:
            del self._waiting[index]
        elif left is not None:
            self._waiting[index] = (order, left - 1)
