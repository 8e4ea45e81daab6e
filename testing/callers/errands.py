"""Callers who speak at the same time, each with other words, and what each must have heard in the end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sandbox.caller import Caller
from sandbox.caller_signalling import CallFailedError


@dataclass(frozen=True)
class Wish:
    """Words, what is searched for by them, words again, and the number of what is saved by those."""

    asks: str
    searched: str
    saves: str
    number: int


WISHES = {
    "mia": Wish("find running shoes", "running shoes", "save product one", 1),
    "noa": Wish("find desk lamps", "desk lamps", "save product two", 2),
    "ola": Wish("find headphones", "headphones", "save product three", 3),
    "pia": Wish("find coffee makers", "coffee makers", "save product four", 4),
}
"""By who has it."""


async def says_until(caller: Caller, words: str, kind: str) -> None:
    """Say something, and repeat it if it was not understood, as people do: four bots share a machine."""
    for _ in range(3):
        await caller.say(words)
        with contextlib.suppress(CallFailedError):
            await caller.message(lambda message: message.is_server_message(kind), within=15)
            await caller.bot_quiet()
            return
        await caller.bot_quiet()
    raise AssertionError(f'"{words}" was not understood; the call:\n' + "\n".join(caller.account()))


async def has_its_wish(caller: Caller, wish: Wish) -> None:
    """From the greeting on: asked, found, saved, and nothing of anybody else's was heard of."""
    await caller.hears_bot(within=60)
    await caller.bot_quiet()
    await says_until(caller, wish.asks, "products_found")
    await says_until(caller, wish.saves, "product_saved")
    told = [message.data for message in caller.messages]
    assert {each["query"] for each in told if each.get("type") == "products_found"} == {wish.searched}
    assert {each["number"] for each in told if each.get("type") == "product_saved"} == {wish.number}
