"""A pause that is too long is noticed once, and who spoke before it."""

import asyncio

from podline.contract.messages import SILENCE_SECONDS, Silence
from podline.runner.observers.silences import Silences
from testing.fakes.controllers.clockwork import at_once


class Conversation:
    """What is recorded of one whose caller is there, or not."""

    def __init__(self, *, caller_is_here: bool = True) -> None:
        self.recorded: list[Silence] = []
        self.silences = Silences(self.recorded.append, lambda: caller_is_here)


@at_once
async def test_a_caller_who_waits_for_an_answer_in_vain_meets_one_silence() -> None:
    heard = Conversation()
    heard.silences.began("caller")
    heard.silences.stopped("caller", ago=0.5)
    await asyncio.sleep(60)

    assert heard.recorded == [Silence(after="caller")]


@at_once
async def test_what_has_passed_before_the_pause_was_known_counts() -> None:
    heard = Conversation()
    heard.silences.stopped("bot", ago=1)
    await asyncio.sleep(SILENCE_SECONDS - 1.5)
    assert heard.recorded == []
    await asyncio.sleep(1)
    assert heard.recorded == [Silence(after="bot")]


@at_once
async def test_a_shorter_pause_is_none() -> None:
    heard = Conversation()
    for _ in range(3):
        heard.silences.stopped("caller", ago=0)
        await asyncio.sleep(SILENCE_SECONDS - 0.1)
        heard.silences.began("bot")
        await asyncio.sleep(10)

    assert heard.recorded == []


@at_once
async def test_nobody_is_silent_while_the_other_side_speaks() -> None:
    heard = Conversation()
    heard.silences.began("bot")
    heard.silences.began("caller")
    heard.silences.stopped("caller", ago=0)
    await asyncio.sleep(10)
    assert heard.recorded == []
    heard.silences.stopped("bot", ago=0)
    await asyncio.sleep(10)
    assert heard.recorded == [Silence(after="bot")]


@at_once
async def test_without_a_caller_there_is_no_silence() -> None:
    heard = Conversation(caller_is_here=False)
    heard.silences.stopped("bot", ago=0)
    await asyncio.sleep(10)

    assert heard.recorded == []
