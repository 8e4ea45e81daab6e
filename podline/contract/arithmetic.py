"""Arithmetic of usage: adding events, and subtracting one state from another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Final, TypeVar

from podline.contract.messages import (
    Event,
    Interrupted,
    Talked,
    TokensUsed,
    ToolCalled,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.usage import TalkSeconds, Tokens, ToolCalls, Usage, values

T = TypeVar("T", Tokens, ToolCalls, TalkSeconds)

OTHER: Final = "other"
"""The name under which all others count once there are too many."""

NOTHING: Final = Usage()

MAX_MODELS: Final = 16
MAX_TOOLS: Final = 32
"""The limit in `Usage`; further models and tools are counted under `OTHER`."""


def plus(usage: Usage, event: Event) -> Usage:
    """Return the usage with this event added."""
    match event:
        case TokensUsed(model=model, tokens=tokens):
            models = {**usage.models, model: added(usage.models.get(model, Tokens()), tokens)}
            return replace(usage, models=models)
        case ToolCalled(name=name, outcome=outcome):
            calls = usage.tool_calls.get(name, ToolCalls())
            calls = replace(calls, **{outcome: getattr(calls, outcome) + 1})
            return replace(usage, tool_calls={**usage.tool_calls, name: calls})
        case Talked(side=side, seconds=seconds):
            talk: TalkSeconds = usage.talk_seconds
            talk = replace(talk, **{side: getattr(talk, side) + seconds})
            return replace(usage, talk_seconds=talk)
        case _:
            return _counted(usage, event)


def _counted(usage: Usage, event: Event) -> Usage:
    match event:
        case TurnEnded():
            return replace(usage, turns=usage.turns + 1)
        case TurnUnanswered():
            return replace(usage, turns_unanswered=usage.turns_unanswered + 1)
        case Interrupted():
            return replace(usage, interruptions=usage.interruptions + 1)
        case _:
            return usage


def used_by(events: Iterable[Event]) -> Usage:
    """Return the usage of these events."""
    return reduce(plus, events, NOTHING)


def together(one: Usage, other: Usage) -> Usage:
    """Return the sum of both."""
    return Usage(
        models=_together(one.models, other.models),
        turns=one.turns + other.turns,
        turns_unanswered=one.turns_unanswered + other.turns_unanswered,
        interruptions=one.interruptions + other.interruptions,
        tool_calls=_together(one.tool_calls, other.tool_calls),
        talk_seconds=added(one.talk_seconds, other.talk_seconds),
    )


def beyond(totals: Usage, counted: Usage) -> Usage:
    """Return how much `totals` exceeds `counted`, never less than zero.

    A final report may merge names under `OTHER`. If one side may have done so and the other has not, both are
    merged.
    """
    return Usage(
        models=_beyond(totals.models, counted.models, Tokens()),
        turns=max(0, totals.turns - counted.turns),
        turns_unanswered=max(0, totals.turns_unanswered - counted.turns_unanswered),
        interruptions=max(0, totals.interruptions - counted.interruptions),
        tool_calls=_beyond(totals.tool_calls, counted.tool_calls, ToolCalls()),
        talk_seconds=_more(totals.talk_seconds, counted.talk_seconds),
    )


def added(one: T, other: T) -> T:
    """Add up numbers of one kind, field by field."""
    return type(one)(*map(add, values(one), values(other)))


def _together(one: Mapping[str, T], other: Mapping[str, T]) -> dict[str, T]:
    names = {**one, **other}
    return {
        name: added(one[name], other[name]) if name in one and name in other else names[name]
        for name in names
    }


def _beyond(totals: Mapping[str, T], counted: Mapping[str, T], nothing: T) -> dict[str, T]:
    is_summed_up = OTHER in counted and totals.keys() != counted.keys()
    if is_summed_up or not totals.keys() >= counted.keys():
        totals, counted = ({OTHER: reduce(added, each.values(), nothing)} for each in (totals, counted))
    more = {name: _more(each, counted.get(name, nothing)) for name, each in totals.items()}
    return {name: each for name, each in more.items() if each != nothing}


def _more(one: T, other: T) -> T:
    return type(one)(*(max(0, a - b) for a, b in zip(values(one), values(other), strict=True)))
