"""Callers who speak at the same time, each with other words, and what each must have heard in the end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sandbox.caller import Caller
from sandbox.caller_signalling import CallFailedError


@dataclass(frozen=True)
class Errand:
    """Words, what is searched for by them, words again, and the number of what is saved by those."""

    asks: str
    searched: str
    saves: str
    number: int


ERRANDS = {
    "mia": Errand("find running shoes", "running shoes", "save product one", 1),
    "noa": Errand("find desk lamps", "desk lamps", "save product two", 2),
    "ola": Errand("find headphones", "headphones", "save product three", 3),
    "pia": Errand("find coffee makers", "coffee makers", "save product four", 4),
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


async def says_until_answered(caller: Caller, words: str, answer: str) -> None:
    """Say something, and repeat it if it was not understood, until the bot answers with this."""
    for _ in range(3):
        await caller.say(words)
        with contextlib.suppress(CallFailedError):
            await caller.bot_says(answer, within=15)
            return
        await caller.bot_quiet()
    raise AssertionError(f'"{words}" was not answered; the call:\n' + "\n".join(caller.account()))


async def runs_errand(caller: Caller, errand: Errand) -> None:
    """From the greeting on: asked, found, saved, and nothing of anybody else's was heard of."""
    await caller.hears_bot(within=60)
    await caller.bot_quiet()
    await says_until(caller, errand.asks, "products_found")
    await says_until(caller, errand.saves, "product_saved")
    received = [message.data for message in caller.messages]
    assert {each["query"] for each in received if each.get("type") == "products_found"} == {errand.searched}
    assert {each["number"] for each in received if each.get("type") == "product_saved"} == {errand.number}
