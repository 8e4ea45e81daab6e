"""A conversation with the model without a socket: its client, and its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.conversation import Conversation
from sandbox.gemini.memory import Memory
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.speech import Speaker
from sandbox.voice import Voice
from tests.unit.sandbox.setups import read_setup

SETUP: dict[str, Any] = {
    "model": "models/gemini-3.8-live",
    "systemInstruction": {"parts": [{"text": "Help shoppers."}]},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "save_product",
                    "behavior": "BLOCKING",
                    "parameters": {"type": "OBJECT", "properties": {"productNumber": {"type": "INTEGER"}}},
                }
            ]
        }
    ],
}
SAVED = {"success": True, "alreadySaved": False, "product": {"name": "Trail running shoes"}}


class Clock:
    """Time that passes only when somebody sleeps, or not at all while it is held."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running = asyncio.Event()
        self.running.set()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await self.running.wait()
        self.now += seconds
        await asyncio.sleep(0)


class Client:
    """The other end: what the model has sent, and what is waited for."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = asyncio.Condition()

    async def send(self, message: Any) -> bool:
        async with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        return True

    async def receives(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: any(wanted(message) for message in self.messages))
        return next(message for message in self.messages if wanted(message))

    async def completes(self, turns: int = 1) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.completed()) >= turns)

    def contents(self, name: str) -> list[Any]:
        return [
            message["serverContent"][name]
            for message in self.messages
            if name in message.get("serverContent", {})
        ]

    def completed(self) -> list[Any]:
        return [message for message in self.messages if message.get("serverContent", {}).get("turnComplete")]

    def said(self) -> str:
        return "".join(part["text"] for part in self.contents("outputTranscription"))


async def nothing_happens(_moment: Any) -> bool:
    """Do nothing: nothing was ordered for any moment."""
    return True


@asynccontextmanager
async def talking(
    voice: Voice,
    memory: Memory | None = None,
    setup: dict[str, Any] = SETUP,
    behaviour: Behaviour | None = None,
) -> AsyncIterator[tuple[Conversation, Client, Clock]]:
    client, clock = Client(), Clock()
    behaviour = behaviour or Behaviour()

    async def send(message: Any) -> bool:
        return all([await client.send(bent) for bent, _delay in behaviour.bend(message)])

    async with asyncio.TaskGroup() as tasks:
        conversation = Conversation(
            setup=read_setup(**setup),
            memory=memory or Memory(),
            categories=["Shoes"],
            speaker=Speaker(voice, Pacing(chunk=0.5), clock, clock.sleep),
            record=SessionRecord(datetime(2026, 1, 1, tzinfo=UTC), "models/gemini-3.8-live"),
            send=send,
            reach=nothing_happens,
            clock=clock,
            tasks=tasks,
            new_handle=lambda: "a-handle",
            behaviour=behaviour,
        )
        yield conversation, client, clock
        conversation.stop()


async def heard(words: Any) -> Any:
    return words


def is_tool_call(message: Any) -> bool:
    return "toolCall" in message


def is_audio(message: Any) -> bool:
    return "modelTurn" in message.get("serverContent", {})


async def call_id_of(client: Client) -> str:
    call = await client.receives(is_tool_call)
    return str(call["toolCall"]["functionCalls"][0]["id"])
