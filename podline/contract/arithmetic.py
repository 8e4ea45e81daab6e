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
    Synthesized,
    Talked,
    TokensUsed,
    ToolCalled,
    Transcribed,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.usage import (
    ModelUsage,
    TalkSeconds,
    ToolCalls,
    Usage,
    service_and_model,
    service_key,
    values,
)

T = TypeVar("T", ModelUsage, ToolCalls, TalkSeconds)

OTHER: Final = "other"
"""The name under which all others count once there are too many."""

NOTHING: Final = Usage()

MAX_MODELS: Final = 16
MAX_SERVICES: Final = 16
"""Of keys: a service that changes its model has another."""
MAX_TOOLS: Final = 32
"""The limit in `Usage`; further models, services and tools are counted under `OTHER`."""

_ROUNDING: Final = 1e-6
"""More than what remains of seconds that were added up in another order, and less than one of anything."""


def plus(usage: Usage, event: Event) -> Usage:
    """Return the usage with this event added."""
    match event:
        case TokensUsed(tokens=tokens):
            return _used(usage, event, ModelUsage(*values(tokens)))
        case Transcribed(seconds=seconds):
            return _used(usage, event, ModelUsage(audio_seconds=seconds))
        case Synthesized(characters=characters):
            return _used(usage, event, ModelUsage(characters=characters))
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


def _used(usage: Usage, event: TokensUsed | Transcribed | Synthesized, used: ModelUsage) -> Usage:
    models = _plus(usage.models, event.model, used)
    if event.service is None:
        return replace(usage, models=models)
    key = key_of(event.service, event.model)
    return replace(usage, models=models, services=_plus(usage.services, key, used))


def key_of(service: str, model: str) -> str:
    """Return the key under which a service counts; a service that is `OTHER` takes its models along."""
    return OTHER if service == OTHER else service_key(service, model)


def _plus(named: Mapping[str, ModelUsage], name: str, used: ModelUsage) -> dict[str, ModelUsage]:
    return {**named, name: added(named[name], used) if name in named else used}


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
        services=_together(one.services, other.services),
    )


def beyond(totals: Usage, counted: Usage) -> Usage:
    """Return how much `totals` exceeds `counted`, never less than zero.

    A final report may merge names under `OTHER`. If one side may have done so and the other has not, both are
    merged.
    """
    return Usage(
        models=_beyond(totals.models, counted.models, ModelUsage()),
        turns=max(0, totals.turns - counted.turns),
        turns_unanswered=max(0, totals.turns_unanswered - counted.turns_unanswered),
        interruptions=max(0, totals.interruptions - counted.interruptions),
        tool_calls=_beyond(totals.tool_calls, counted.tool_calls, ToolCalls()),
        talk_seconds=_more(totals.talk_seconds, counted.talk_seconds),
        services=_beyond(totals.services, counted.services, ModelUsage()),
    )


def by_service(usage: Usage) -> dict[tuple[str | None, str], ModelUsage]:
    """Return the usage of each service and model; the service is None where it is not known.

    Together they are exactly `models`: what `services` has beyond it is left out.
    """
    rest = dict(usage.models)
    parts: dict[tuple[str | None, str], ModelUsage] = {}
    for key, claimed in usage.services.items():
        service, model = service_and_model(key)
        if key != OTHER and model in rest:
            part = _least(claimed, rest[model])
            parts[service, model], rest[model] = part, _more(rest[model], part)
    parts.update({(None, model): used for model, used in rest.items()})
    return {pair: used for pair, used in parts.items() if not _is_nothing(used)}


def _is_nothing(used: ModelUsage) -> bool:
    return all(each < _ROUNDING for each in values(used))


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


def _least(one: ModelUsage, other: ModelUsage) -> ModelUsage:
    return ModelUsage(*map(min, values(one), values(other)))
