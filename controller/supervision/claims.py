"""Decides which claims of a bot are plausible, by how long its session has lasted on our own clock. Pure.

A bot is other people's code with a stranger at its microphone, and what it claims becomes money on a record.
What no bot can have done in the time is dropped. The limits are far above what real bots do. A bot that was
without a controller for an hour may report that hour at once, so each limit is an amount at once and so much
more for each second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, NamedTuple, TypeVar

import msgspec

from controller.observe.labels import ERROR_KINDS, Declared
from podline.contract.arithmetic import MAX_MODELS, MAX_TOOLS, NOTHING, OTHER, beyond, plus, together
from podline.contract.messages import (
    AudioDropped,
    BotTimeline,
    ClientMessagesRefused,
    ErrorSeen,
    Event,
    FinalReport,
    FirstByte,
    Interrupted,
    ModelReconnected,
    Report,
    ResponseLatency,
    Silence,
    Talked,
    TokensUsed,
    ToolCalled,
    TurnEnded,
)
from podline.contract.usage import Tokens, ToolCalls, Usage

T = TypeVar("T", Tokens, ToolCalls)


class Allowance(NamedTuple):
    """So much at once, and so much more for each second of the session."""

    at_once: float
    per_second: float

    def after(self, seconds: float) -> float:
        return self.at_once + self.per_second * seconds


PROMPT_TOKENS: Final = Allowance(10_000_000, 100_000)
"""Each turn sends the whole context again. This is a full context of a million every ten seconds, six million
tokens a minute, which is what a model's vendor allows a whole project."""
COMPLETION_TOKENS: Final = Allowance(200_000, 2_000)
"""Speech is 25 to 32 tokens a second; the fastest writers are at about a thousand."""
MOST_PROMPT_TOKENS: Final = 2 * 1024 * 1024
"""Of one answer: twice the largest context."""
MOST_COMPLETION_TOKENS: Final = 128 * 1024
"""Of one answer: twice the longest."""
TALK_SECONDS: Final = Allowance(60, 1.2)
"""Of either side."""
WAITING_SECONDS: Final = Allowance(60, 1.0)
"""The longest that anything in a call can have taken."""

CLIENT_MESSAGES: Final = Allowance(10_000, 1_000)
"""That one event may tell of: a caller's client can send many."""
DROPPED_SECONDS: Final = Allowance(600, 100)
"""Of sound, likewise."""

EVENTS: Final[Mapping[type[Event], Allowance]] = {
    TokensUsed: Allowance(500, 5),
    FirstByte: Allowance(500, 5),
    ResponseLatency: Allowance(500, 5),
    TurnEnded: Allowance(500, 5),
    Interrupted: Allowance(500, 5),
    ToolCalled: Allowance(500, 10),
    Talked: Allowance(500, 10),
    Silence: Allowance(100, 1),
    ModelReconnected: Allowance(100, 1),
    ErrorSeen: Allowance(500, 5),
    ClientMessagesRefused: Allowance(500, 5),
    AudioDropped: Allowance(500, 5),
}

BATCHES: Final = Allowance(200, 20)
"""Real bots send one every five seconds, and in an hour's backlog are fifty."""

MAX_KINDS: Final = 4
"""Kinds of errors, and of events that are not known here, that one session may bring up."""

_FUTURE_SECONDS: Final = 1.0
"""How long after its message a moment may seem to be, by rounding."""

_MARKS: Final = ("process_up", "joined", "caller_joined", "first_speech")


@dataclass(slots=True)
class Claims:
    """What one bot has claimed so far.

    Attributes:
        refused: what the events that were dropped add up to: in a bot's totals that is to be taken off.
        is_known_to_lie: whether it is on the log that something was dropped.
    """

    refused: Usage = NOTHING
    is_known_to_lie: bool = False
    _batches: int = 0
    _events: Counter[type[Event]] = field(default_factory=Counter)
    _prompt: int = 0
    _completion: int = 0
    _talk: dict[str, float] = field(default_factory=dict)
    _models: set[str] = field(default_factory=set)
    _tools: set[str] = field(default_factory=set)
    _kinds: set[str] = field(default_factory=set)

    def take_batch(self, age_seconds: float) -> bool:
        """Whether one more batch may have come by now, be it a repeat; if so, it has."""
        self._batches += 1
        is_taken = self._batches <= BATCHES.after(age_seconds)
        self._batches -= not is_taken
        return is_taken

    def judge(self, report: Report, age_seconds: float, declared: Declared) -> tuple[Report, Counter[str]]:
        """Return what is plausible of a batch that came for the first time, and how much of each kind is not.

        Its totals stay as they are: see `totals`. A bot may use names beside the declared ones, but not many.
        """
        refusals: Counter[str] = Counter()
        events = []
        for claimed in report.events:
            event = self._named(claimed, declared)
            if self._take(event, age_seconds):
                events.append(event)
            else:
                self.refused = plus(self.refused, event)
                refusals[str(type(event).__struct_config__.tag)] += 1
        timeline = self._moments(report.timeline, refusals)
        return msgspec.structs.replace(report, events=events, timeline=timeline), refusals

    def judge_last(self, word: FinalReport) -> tuple[FinalReport, Counter[str]]:
        """Return what is plausible of a final report, likewise."""
        refusals: Counter[str] = Counter()
        timeline = self._moments(word.timeline, refusals)
        return msgspec.structs.replace(word, timeline=timeline), refusals

    def totals(self, claimed: Usage, age_seconds: float) -> Usage | None:
        """Return a bot's totals without what was refused of them; None where they are not plausible."""
        totals = with_plain_names(claimed)
        if self.refused != NOTHING:
            totals = beyond(totals, self.refused)
        return totals if is_plausible(totals, age_seconds) else None

    def unknown(self, kinds: Iterable[str]) -> list[str]:
        """Name kinds of events that are not known here, most of them `OTHER` where a bot makes them up."""
        return [self._kind(kind) for kind in kinds]

    def _take(self, event: Event, age_seconds: float) -> bool:
        """Whether this event may have happened beside all before it; if so, it has."""
        if self._events[type(event)] >= EVENTS[type(event)].after(age_seconds):
            return False
        match event:
            case TokensUsed(tokens=tokens):
                is_taken = self._take_tokens(tokens, age_seconds)
            case Talked(side=side, seconds=seconds):
                talked = self._talk.get(side, 0.0) + seconds
                is_taken = talked <= TALK_SECONDS.after(age_seconds)
                if is_taken:
                    self._talk[side] = talked
            case FirstByte(seconds=seconds) | ResponseLatency(seconds=seconds) | ToolCalled(seconds=seconds):
                is_taken = seconds <= WAITING_SECONDS.after(age_seconds)
            case ClientMessagesRefused(count=count):
                is_taken = count <= CLIENT_MESSAGES.after(age_seconds)
            case AudioDropped(seconds=seconds):
                is_taken = seconds <= DROPPED_SECONDS.after(age_seconds)
            case _:
                is_taken = True
        self._events[type(event)] += is_taken
        return is_taken

    def _take_tokens(self, tokens: Tokens, age_seconds: float) -> bool:
        prompt, completion = _extent(tokens)
        is_taken = (
            prompt <= MOST_PROMPT_TOKENS
            and completion <= MOST_COMPLETION_TOKENS
            and self._prompt + prompt <= PROMPT_TOKENS.after(age_seconds)
            and self._completion + completion <= COMPLETION_TOKENS.after(age_seconds)
        )
        if is_taken:
            self._prompt += prompt
            self._completion += completion
        return is_taken

    def _named(self, event: Event, declared: Declared) -> Event:
        """The event, under `OTHER` where its name is no plain text, or one name too many."""
        match event:
            case TokensUsed(model=name) if name not in declared.models:
                known = _bounded(name, self._models, MAX_MODELS)
                return event if known == name else msgspec.structs.replace(event, model=known)
            case ToolCalled(name=name) if name not in declared.tools:
                known = _bounded(name, self._tools, MAX_TOOLS)
                return event if known == name else msgspec.structs.replace(event, name=known)
            case FirstByte(model=name) if not name.isprintable():
                return msgspec.structs.replace(event, model=OTHER)
            case ErrorSeen(kind=name):
                known = self._kind(name)
                return event if known == name else msgspec.structs.replace(event, kind=known)
            case _:
                return event

    def _kind(self, name: str) -> str:
        return name if name in ERROR_KINDS else _bounded(name, self._kinds, MAX_KINDS + 1)

    def _moments(self, timeline: BotTimeline, refusals: Counter[str]) -> BotTimeline:
        """The timeline without moments that its own message could not know of."""
        latest = timeline.now + _FUTURE_SECONDS
        future = [name for name in _MARKS if (getattr(timeline, name) or 0) > latest]
        if not future:
            return timeline
        refusals["timeline"] += len(future)
        return msgspec.structs.replace(timeline, **dict.fromkeys(future))


def is_plausible(usage: Usage, age_seconds: float) -> bool:
    """Whether one session can have used all this in the time."""
    extents = [_extent(tokens) for tokens in usage.models.values()]
    calls = sum(each.ok + each.error for each in usage.tool_calls.values())
    return (
        sum(prompt for prompt, _ in extents) <= PROMPT_TOKENS.after(age_seconds)
        and sum(completion for _, completion in extents) <= COMPLETION_TOKENS.after(age_seconds)
        and usage.turns <= EVENTS[TurnEnded].after(age_seconds)
        and usage.interruptions <= EVENTS[Interrupted].after(age_seconds)
        and calls <= EVENTS[ToolCalled].after(age_seconds)
        and max(usage.talk_seconds.caller, usage.talk_seconds.bot) <= TALK_SECONDS.after(age_seconds)
    )


def at_least(usage: Usage, counted: Usage) -> Usage:
    """The usage, and of each number no less than was counted."""
    missing = beyond(counted, usage)
    return usage if missing == NOTHING else together(usage, missing)


def with_plain_names(usage: Usage) -> Usage:
    """The usage, under `OTHER` where names are no plain text."""
    if all(name.isprintable() for name in (*usage.models, *usage.tool_calls)):
        return usage
    return msgspec.structs.replace(
        usage, models=_plainly(usage.models, Tokens()), tool_calls=_plainly(usage.tool_calls, ToolCalls())
    )


def with_few_names(usage: Usage) -> Usage:
    """The usage, with no more names than one may have: what is beyond is summed up under `OTHER`."""
    if len(usage.models) <= MAX_MODELS and len(usage.tool_calls) <= MAX_TOOLS:
        return usage
    return msgspec.structs.replace(
        usage,
        models=_few(usage.models, Tokens(), MAX_MODELS),
        tool_calls=_few(usage.tool_calls, ToolCalls(), MAX_TOOLS),
    )


def _few(named: Mapping[str, T], nothing: T, limit: int) -> dict[str, T]:
    if len(named) <= limit:
        return dict(named)
    kept = [name for name in named if name != OTHER][: limit - 1]
    rest = [each for name, each in named.items() if name not in kept]
    return {**{name: named[name] for name in kept}, OTHER: reduce(_added, rest, nothing)}


def _plainly(named: Mapping[str, T], nothing: T) -> dict[str, T]:
    plain = {name: each for name, each in named.items() if name.isprintable()}
    others = [each for name, each in named.items() if not name.isprintable()]
    if others:
        plain[OTHER] = reduce(_added, others, plain.get(OTHER, nothing))
    return plain


def _added(one: T, other: T) -> T:
    values = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return type(one)(*(a + b for a, b in values))


def _bounded(name: str, known: set[str], limit: int) -> str:
    """The name, or `OTHER` where it is no plain text or the limit is reached; `known` learns it."""
    if name in known:
        return name
    if not name.isprintable() or len(known) >= limit - 1:
        return OTHER
    known.add(name)
    return name


def _extent(tokens: Tokens) -> tuple[int, int]:
    """How much a claim is, prompt and completion. A bot may say that a part is more than its whole."""
    prompt = max(
        tokens.prompt_tokens,
        tokens.input_audio_tokens,
        tokens.cache_read_input_tokens,
        tokens.cache_read_input_audio_tokens,
    )
    return prompt, max(tokens.completion_tokens, tokens.output_audio_tokens, tokens.reasoning_tokens)
