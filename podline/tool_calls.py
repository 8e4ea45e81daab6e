"""Answers to the model's tool calls where Pipecat's say too little or nothing.

Pipecat answers a call that took too long with `CANCELLED`, an unknown or crashed function with one short
sentence, and a result that isn't JSON not at all. It passes on arguments and results of any size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
)
from pipecat.services.llm_service import FunctionCallParams, LLMService

from podline.contract.nesting import is_too_deep
from podline.contract.text import printable

MAX_RESULT_BYTES: Final = 32 * 1024
"""The model reads a result again in each later turn, and the caller pays for it."""
MAX_ARGUMENTS_BYTES: Final = 16 * 1024
MAX_NAME_CHARACTERS: Final = 64
"""As many as Gemini allows in a declared function's name."""
MAX_CALLS_AT_ONCE: Final = 16
MAX_TOOL_SECONDS: Final = 60.0
"""How long tools may keep one answer waiting. Beyond this a caller waits for a tool as for the model: a tool
may keep its call open and never answer it."""

_APOLOGY: Final = "Something went wrong on my side."

Answer = dict[str, Any]


class AnsweredToolCalls(LLMService[Any]):
    """Mixed into a Pipecat model service, before it: `class Model(AnsweredToolCalls, SomeLLMService)`.

    It answers with `failure` what can't be answered otherwise.
    """

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        usable = []
        for position, asked in enumerate(function_calls):
            call = replace(asked, function_name=shown_name(asked.function_name))
            problem = _TOO_MANY if position >= MAX_CALLS_AT_ONCE else arguments_problem(call.arguments)
            if problem is None:
                usable.append(call)
            else:
                await self._refuse(call, problem)
        await super().run_function_calls(usable)

    async def broadcast_frame(self, frame_cls: type[Frame], **kwargs: Any) -> None:
        if frame_cls is FunctionCallCancelFrame and kwargs.get("run_llm"):
            # Only a call that ran past its time limit is cancelled like this: FunctionCallCancelFrame.
            frame_cls = FunctionCallResultFrame
            del kwargs["run_llm"]
            kwargs |= {"arguments": {}, "result": timed_out(kwargs["function_name"]), "error": "TimeoutError"}
        elif frame_cls is FunctionCallResultFrame:
            name = kwargs["function_name"]
            if kwargs.get("error"):
                kwargs["result"] = crashed(name)
            kwargs["result"] = sendable(name, kwargs["result"])
        await super().broadcast_frame(frame_cls, **kwargs)

    async def _missing_function_call_handler(self, params: FunctionCallParams) -> None:
        known = sorted(name for name in self._functions if name is not None)
        await params.result_callback(unknown_function(params.function_name, known))

    async def _refuse(self, call: FunctionCallFromLLM, problem: str) -> None:
        """Answer a call without running it, as if it had run."""
        logger.warning("tool call refused", function=call.function_name, problem=problem)
        named = {"function_name": call.function_name, "tool_call_id": call.tool_call_id, "arguments": {}}
        await self.broadcast_frame(FunctionCallsStartedFrame, function_calls=[replace(call, arguments={})])
        await self.broadcast_frame(FunctionCallInProgressFrame, **named)
        await self.broadcast_frame(
            FunctionCallResultFrame, **named, result=refused(call.function_name, problem)
        )


_TOO_MANY: Final = f"more than {MAX_CALLS_AT_ONCE} functions were called at once"


def shown_name(name: str) -> str:
    """Return a function's name that may be logged and sent back, however long the model's is."""
    return printable(name, MAX_NAME_CHARACTERS) or "unnamed"


def arguments_problem(arguments: Mapping[str, Any]) -> str | None:
    """Return what keeps a function from being run with these arguments."""
    if is_too_deep(arguments):
        return "its arguments are nested too deeply"
    size = _size(arguments)
    if size is None:
        return "its arguments are not JSON"
    if size > MAX_ARGUMENTS_BYTES:
        return f"its arguments are larger than {MAX_ARGUMENTS_BYTES // 1024} KB"
    return None


def sendable(name: str, result: Any) -> Any:
    """Return the result if the model can take it, or what is wrong with it."""
    size = None if is_too_deep(result) else _size(result)
    if size is None:
        logger.error("tool result is unreadable", function=name, kind=type(result).__name__)
        return failure(
            f"{name} has finished, but its result could not be read.",
            done="unknown",
            retry="No: it fails the same way.",
            say=_APOLOGY,
        )
    if size > MAX_RESULT_BYTES:
        logger.error("tool result is too large", function=name, bytes=size, limit=MAX_RESULT_BYTES)
        return failure(
            f"{name} has finished, but its result is too large.",
            done="unknown",
            retry="Only with a narrower request.",
            say="That is too much at once. Can you be more specific?",
        )
    return result


def unknown_function(name: str, known: Sequence[str]) -> Answer:
    names = ", ".join(known[:MAX_CALLS_AT_ONCE]) or "none"
    return failure(
        f"There is no function {name}. The functions are: {names}.",
        retry="Only with one of these.",
        say="I can't do that here.",
    )


def crashed(name: str) -> Answer:
    return failure(
        f"{name} failed because of an error in it.",
        done="unknown",
        retry="Once, if the caller agrees; then not again.",
        say=f"{_APOLOGY} Shall I try again?",
    )


def timed_out(name: str) -> Answer:
    return failure(
        f"{name} took too long and was stopped.",
        done="unknown",
        retry="Once, if the caller agrees; it may take as long.",
        say="That takes too long right now. Shall I try again?",
    )


def cut_off(name: str) -> Answer:
    """Return what Pipecat's context calls `CANCELLED`: the caller spoke while the function ran."""
    return failure(
        f"{name} was stopped because the caller spoke.",
        done="unknown",
        retry="If the caller still wants it; otherwise not.",
        say="Do you still want that?",
    )


def refused(name: str, problem: str) -> Answer:
    return failure(
        f"{name} was not run: {problem}.",
        retry="At once, with only what the function declares.",
        say="One moment, please.",
    )


def failure(error: str, *, done: Literal["no", "unknown"] = "no", retry: str, say: str) -> Answer:
    """Return an answer that is no success.

    Args:
        error: What failed.
        done: `no` if nothing was changed, `unknown` if it may have been.
        retry: Whether calling again helps, and when.
        say: What to say to the caller.
    """
    return {"error": error, "done": done, "retry": retry, "say": say}


def _size(value: Any) -> int | None:
    """Return the bytes of a value as JSON, or None if it can't be JSON."""
    try:
        return len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode(errors="replace"))
    except (TypeError, ValueError, RecursionError):
        return None
