"""The application's tools, as the model uses them over one connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.gemini import server_messages, wire
from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.manners import ToolCallCancellation
from sandbox.gemini.memory import Memory
from sandbox.gemini.record import SessionRecord, ToolResponseRecord, TurnRecord
from sandbox.gemini.usage import Spent
from sandbox.mind import answers
from sandbox.mind.answers import Request
from sandbox.mind.dialogue import Asked, TurnKind
from sandbox.mind.tokens import text_tokens
from sandbox.mind.tools import arguments_for, farewell_tool, tool_named

_SILENT: Final = "SILENT"
"""The scheduling of a result that the model doesn't speak of."""


@dataclass(kw_only=True)
class ToolUse:
    """Makes the calls of one connection and takes their results.

    Attributes:
        begin_turn: Begins the turn in which the model speaks of a result.
        pause: Waits for so many seconds.
    """

    setup: wire.Setup
    memory: Memory
    record: SessionRecord
    behaviour: Behaviour
    send: Callable[[dict[str, Any]], Awaitable[bool]]
    begin_turn: Callable[[TurnKind], Awaitable[None]]
    pause: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    _waiting: dict[str, asyncio.Future[wire.FunctionResponse]] = field(init=False, default_factory=dict)
    _late: deque[tuple[str, Request, dict[str, Any]]] = field(init=False, default_factory=deque)
    _cancelled_late: dict[str, ToolCallCancellation] = field(init=False, default_factory=dict)

    async def use(self, request: Request, turn: TurnRecord) -> str | None:
        """Call the tool for a request; return what to say of the result, None if the client wants silence.

        A model that doesn't wait for the result returns a few words, and speaks of the result later.
        """
        name = tool_named(request)
        declared = self.setup.functions.get(name)
        if declared is None:
            return answers.NO_TOOL
        arguments = arguments_for(request, declared.parameter_names)
        call_id = self.memory.open_call(request)
        waiting: asyncio.Future[wire.FunctionResponse] | None = None
        if declared.blocks(self.setup.model):
            waiting = self._waiting[call_id] = asyncio.get_running_loop().create_future()
        asked_at = self.clock()
        cancellation = self.behaviour.cancellation()
        await self._call(call_id, name, arguments)
        if cancellation is not None and await self._is_cancelled(call_id, cancellation):
            return None
        if waiting is None:
            return answers.ONE_MOMENT
        response = await waiting
        turn.tool_seconds = self.clock() - asked_at
        await self._begin_result(call_id)
        return None if response.scheduling == _SILENT else self._answer(request, response.response)

    async def announce_farewell(self) -> None:
        """Call the application's tool for a goodbye, if it declared one."""
        name = farewell_tool(self.setup.functions)
        if name is not None:
            await self._call(self.memory.open_call(None), name, {})

    def take(self, response: wire.FunctionResponse) -> bool:
        """Take a result; return whether the model should speak of it although no turn waits for it."""
        call_id = self.memory.announced.get(response.id, response.id)
        outcome = self.memory.outcome_of(call_id)
        self.record.tool_responses.append(ToolResponseRecord(call_id, outcome))
        if outcome != "answered":
            return False
        request = self.memory.close_call(call_id, "repeated")
        self.memory.remember(Spent(prompt_text=text_tokens(str(response.response))))
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            waiting.set_result(response)
        elif request is not None and response.scheduling != _SILENT:
            self._late.append((call_id, request, response.response))
            return True
        return False

    async def next_late_answer(self) -> str | None:
        """Begin the turn for a result that no turn waited for; return what to say, None if there is none."""
        if not self._late:
            return None
        call_id, request, response = self._late.popleft()
        await self._begin_result(call_id)
        return self._answer(request, response)

    async def cancel_awaited(self) -> None:
        """Cancel the calls that the answer being given waits for."""
        if self._waiting:
            await self._cancel(list(self._waiting))

    async def _call(self, call_id: str, name: str, arguments: dict[str, Any]) -> None:
        self.record.tool_calls.append(name)
        announced = self.behaviour.announced(call_id)
        if announced != call_id:
            self.memory.announced[announced or ""] = call_id
        await self.send(server_messages.tool_call(announced, name, arguments))

    async def _cancel(self, call_ids: list[str]) -> None:
        announced = [self.memory.announced_id(call_id) for call_id in call_ids]
        for call_id in call_ids:
            if waiting := self._waiting.pop(call_id, None):
                waiting.cancel()
            self.memory.close_call(call_id, "cancelled")
        await self.send(server_messages.tool_call_cancellation(announced))

    async def _is_cancelled(self, call_id: str, ordered: ToolCallCancellation) -> bool:
        """Cancel what was ordered; return whether that was this call, so that there is nothing to say."""
        if ordered.after_result:
            self._cancelled_late[call_id] = ordered
            return False
        await self.pause(ordered.delay_seconds)
        if ordered.id is None and call_id in self.memory.open_calls:
            await self._cancel([call_id])
            return True
        await self._send_cancellation(call_id, ordered)
        return False

    async def _begin_result(self, call_id: str) -> None:
        """Begin the turn that a result brings, after a cancellation that was ordered to come too late."""
        if ordered := self._cancelled_late.pop(call_id, None):
            await self.pause(ordered.delay_seconds)
            await self._send_cancellation(call_id, ordered)
        await self.begin_turn("tool_result")

    async def _send_cancellation(self, call_id: str, ordered: ToolCallCancellation) -> None:
        cancelled = ordered.id or self.memory.announced_id(call_id)
        await self.send(server_messages.tool_call_cancellation([cancelled]))

    def _answer(self, request: Request, response: dict[str, Any]) -> str:
        """Return the answer that a result brings; it is what the model owes from now on."""
        answer = answers.answer_from(request, response)
        self.memory.ask(Asked("tool_result", request, answer))
        return answer
