"""`podline.call()`: the call that a bot holds, in Podline's runner and in any other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import podline


@dataclass
class HeldCall:
    session_id: str
    user_id: str = "ana"
    agent: str = "shopping"
    metadata: Mapping[str, Any] = field(default_factory=lambda: {"page": 7})
    body: Any = None
    mute_seconds: float = 4.0
    reasons: list[str | None] = field(default_factory=list)
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    def end(self, reason: str | None = None) -> None:
        self.reasons.append(reason)

    def set_goodbye(self, request: str) -> None: ...

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)


async def bot() -> podline.CurrentCall:
    """What a bot does, here in a task of its own, as Pipecat's handlers are."""

    async def handler() -> podline.CurrentCall:
        held = podline.call()
        await held.send({"type": "hello"})
        held.end("The caller said goodbye.")
        return held

    return await asyncio.create_task(handler())


async def test_a_bot_that_podline_runs_holds_its_call() -> None:
    held = HeldCall("s-1")
    podline.install_call(held)

    assert await bot() is held
    assert (held.reasons, held.sent) == (["The caller said goodbye."], [{"type": "hello"}])


async def test_calls_that_run_beside_each_other_are_kept_apart() -> None:
    async def run(session_id: str) -> str:
        podline.install_call(HeldCall(session_id))
        await asyncio.sleep(0)
        return (await bot()).session_id

    first, second = await asyncio.gather(run("s-1"), run("s-2"))

    assert (first, second) == ("s-1", "s-2")


async def test_a_bot_in_another_runner_holds_the_call_of_an_anonymous_caller() -> None:
    held = await bot()

    assert (held.session_id, held.user_id, held.agent) == ("local", "anonymous", "")
    assert (held.metadata, held.body, held.mute_seconds) == ({}, {}, 8.0)
