"""Situations in which the model calls tools in other ways than once, each with an id of its own."""

from __future__ import annotations

from typing import Final

from testing.model_faults.situations import Situation, saved_once, spoken_for_a_tool, wrong

TOOL_CALLS: Final = [
    Situation("A tool is called twice with one id", (wrong("repeated_tool_call"),), saved_once),
    Situation(
        "A tool is called twice with one id in one message",
        (wrong("repeated_tool_call", how="one_message"),),
        saved_once,
    ),
    Situation(
        "A tool is called with the same id again after the answer",
        (wrong("repeated_tool_call", how="after_turn"),),
        saved_once,
    ),
    Situation(
        "A tool call is only in modelTurn.parts",
        (wrong("parts", order=["function_call"], turns=1),),
        saved_once,
    ),
    Situation(
        "A tool call is in modelTurn.parts and in a message of its own",
        (wrong("parts", order=["function_call"], repeat_call=True, turns=1),),
        saved_once,
    ),
    Situation(
        "A tool call is cancelled as soon as it is made",
        (wrong("tool_call_cancellation"),),
        spoken_for_a_tool,
    ),
    Situation(
        "A tool call is cancelled when its result has come",
        (wrong("tool_call_cancellation", after_result=True),),
        spoken_for_a_tool,
    ),
    Situation(
        "A tool call that was never made is cancelled",
        (wrong("tool_call_cancellation", id="never-made"),),
        saved_once,
    ),
    # The model takes no result without its own id.
    Situation("A tool call has no id", (wrong("wrong_tool_call_id"),), spoken_for_a_tool, connections=1),
    Situation(
        "A tool call has an id of 100,000 characters",
        (wrong("wrong_tool_call_id", length=100_000),),
        spoken_for_a_tool,
        connections=1,
    ),
    Situation("A tool that does not exist is called", (wrong("unknown_tool"),), spoken_for_a_tool),
    Situation(
        "A tool is called with arguments of the wrong kind",
        (wrong("wrong_tool_arguments", arguments={"productNumber": {"of": "shoes"}}),),
        spoken_for_a_tool,
    ),
]
