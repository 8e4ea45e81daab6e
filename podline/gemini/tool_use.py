"""The model's tool calls, from its message to the answer, even if that takes several sessions."""

import json
import uuid
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from loguru import logger
from pipecat.frames.frames import FunctionCallCancelFrame
from pipecat.processors.frame_processor import FrameDirection

from podline.extras import optional
from podline.gemini.calls import CallTable, ResultFate
from podline.gemini.connections import GeminiConnections
from podline.gemini.history import result_as_text
from podline.tool_calls import AnsweredToolCalls, cut_off

if TYPE_CHECKING:
    from google.genai import types as genai_types
else:
    genai_types = optional("google", "google.genai.types")

_CANCELLED: Final = {"value": "CANCELLED"}
"""The result of a cancelled call in Pipecat's context, which it sends with the next call's result."""


class GeminiToolUse(AnsweredToolCalls, GeminiConnections):
    """Runs each call once and answers it once. A subclass decides when an answer is due."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._calls = CallTable(lambda: str(uuid.uuid4()), self._clock)
        self._unanswered_results: dict[str, tuple[str, dict[str, Any], bool]] = {}

    @abstractmethod
    def _tool_was_called(self) -> None:
        """Note that a call was accepted."""

    @abstractmethod
    def _expect_reply(self, *, while_answering: bool = False) -> None:
        """Note that an answer is due from now on."""

    @property
    @abstractmethod
    def _is_answering_something_else(self) -> bool:
        """True while the model makes an answer that can't be one to a tool's result."""

    @abstractmethod
    def _wait_anew(self) -> None:
        """Begin the wait for an answer anew, if one is due: tools have kept the model from it."""

    async def _session_opened(self) -> None:
        self._calls.session_opened(is_resumed=self._session_resumption_handle is not None)

    async def _repeat_results(self) -> bool:
        """Send a session the results that the one before has not answered; return whether there are any."""
        results = tuple(self._unanswered_results.items())
        for key, (name, result, is_final) in results:
            await self._send_result(key, name, result, is_final=is_final, spoken=True)
        return bool(results)

    def _with_accepted_calls(
        self, message: genai_types.LiveServerMessage, asked: list[genai_types.FunctionCall]
    ) -> genai_types.LiveServerMessage:
        accepted = []
        for call in asked:
            key = self._calls.accept(call.id, call.name or "")
            if key is None:
                logger.warning("tool call not accepted")
            else:
                accepted.append(call.model_copy(update={"id": key}))
        if accepted:
            self._tool_was_called()
        tool_call = genai_types.LiveServerToolCall(function_calls=accepted) if accepted else None
        return message.model_copy(update={"tool_call": tool_call})

    async def _cancel_calls(self, model_ids: list[str]) -> None:
        for key in self._calls.cancel(model_ids):
            self._unanswered_results.pop(key, None)
            await self._cancel_function_calls_by_tool_call_id(key)

    async def push_frame(self, frame: Any, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if isinstance(frame, FunctionCallCancelFrame) and direction is FrameDirection.DOWNSTREAM:
            self._calls.stopped(frame.tool_call_id)
            if not self._calls.running:
                self._expect_reply()
        await super().push_frame(frame, direction)

    async def _tool_result(
        self,
        tool_call_id: str,
        tool_name: str,
        tool_result_message: dict[str, Any],
        *,
        is_final: bool = True,
        spoken: bool = True,
    ) -> None:
        fate = self._calls.finish(tool_call_id, is_final=is_final)
        if not self._calls.running:
            self._wait_anew()
        if fate is ResultFate.IS_DROPPED:
            return
        if tool_result_message == _CANCELLED:
            tool_result_message = cut_off(tool_name)
        if spoken:
            self._unanswered_results[tool_call_id] = (tool_name, tool_result_message, is_final)
        await self._send_result(
            tool_call_id, tool_name, tool_result_message, is_final=is_final, spoken=spoken
        )
        if spoken and not self._calls.running:
            self._expect_reply(while_answering=self._is_answering_something_else)

    async def _send_result(self, key: str, name: str, result: dict[str, Any], **options: bool) -> None:
        """Send a result as the answer to its call, or as text to a session that doesn't know the call."""
        model_id = self._calls.model_id(key)
        if model_id is not None:
            await super()._tool_result(model_id, name, result, **options)
        else:
            await super()._send_user_text(result_as_text(name, json.dumps(result, ensure_ascii=False)))
