"""A situation: what the model gets wrong, what the caller does, and how the call goes on or ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sandbox.caller_audio import RATE, sound_in
from testing.model_faults.call import FaultyCall

Play = Callable[[FaultyCall], Awaitable[None]]
Order = dict[str, Any]

LOST: Final = "model_lost"
CHAT: Final = "what time is it"
"""The model answers without a tool."""
SAVE: Final = "save product two"
"""The model answers with a tool's result."""
WORDS: Final = "All right."
COUNT: Final = "One, two, three, four, five, six, seven, eight."


@dataclass(frozen=True)
class Situation:
    """A row of docs/reference/model-faults.md.

    Attributes:
        name: The situation in a user's words: the first cell of the row.
        orders: What the model gets wrong.
        meets: What the caller does and hears.
        at: `greeting` if it is ordered before the call begins, `turn` if in a call that goes on.
        reason: The reason that the session ends for; None if the call goes on.
        message: What the record's sentence has to contain.
        connections: How many more connections to the model it takes; None if that varies.
        reseeds: True if the last of them is given the conversation so far.
    """

    name: str
    orders: tuple[Order, ...]
    meets: Play
    at: Literal["greeting", "turn"] = "turn"
    reason: str | None = None
    message: str = ""
    connections: int | None = 0
    reseeds: bool = False

    async def order(self, call: FaultyCall) -> None:
        for order in self.orders:
            await call.misbehave(**{"now": self.at == "turn", **order})


def wrong(name: str, **parameters: Any) -> Order:
    """Return an order for what the model gets wrong: docs/reference/sandbox-model.md has the names."""
    return {"fault": name, **parameters}


async def greeted(call: FaultyCall) -> None:
    await call.is_greeted()


async def spoken(call: FaultyCall) -> None:
    """Speak, and wait for an answer without a tool."""
    await call.says(CHAT)


async def saved(call: FaultyCall) -> None:
    """Type a request, and wait for the answer from a tool's result."""
    number = call.next_product()
    if await call.writes(f"save product {number}"):
        await call.shows_saved(number)
        await call.caller.bot_says(f"umber {number}, ")


async def saved_somehow(call: FaultyCall) -> None:
    """Type a request, and wait for any answer: the tool's result may reach the model as text."""
    number = call.next_product()
    if await call.writes(f"save product {number}"):
        await call.shows_saved(number)


async def spoken_for_a_tool(call: FaultyCall) -> None:
    """Speak a request, and wait for any answer after a tool's result."""
    await call.says(SAVE)


async def spoken_and_finished(call: FaultyCall) -> None:
    """Speak, and wait for the rest of an answer that breaks off after a second or two."""
    if await call.says(CHAT):
        await call.hears_in_all(2.4, "the rest of the answer", 2.0)


async def typed(call: FaultyCall) -> None:
    """Type, and wait for exactly the answer asked for."""
    if await call.writes(f"say “{WORDS}”"):
        await call.caller.bot_says(WORDS)


async def heard_in_full(call: FaultyCall) -> None:
    """Type, and check that all of the answer is heard, at its own speed."""
    if await call.writes(f"say “{COUNT}”"):
        await call.caller.bot_quiet()
        heard = call.caller.ear.sound_heard(call.waits[-1].since)
        whole = sound_in(call.site.voice.say(COUNT, RATE))
        assert 0.8 * whole < heard < 1.25 * whole, f"heard {heard:.1f} s of {whole:.1f} s"


async def saved_once(call: FaultyCall) -> None:
    """Have a product saved, and check that the caller hears it once."""
    number = call.next_product()
    if await call.writes(f"save product {number}"):
        await call.caller.bot_says(f"Saved number {number}")
        await call.caller.bot_quiet(2.0)
        said = " ".join(call.caller.bot_turns()).count(f"Saved number {number}")
        shown = call.times_shown(number)
        assert (said, shown) == (1, 1), f"said {said} times, shown {shown} times"
