"""The plausibility of a bot's claims, judged by how long its session has lasted on our own clock. Pure.

A bot is other people's code with a stranger at its microphone, and its claims become money on a record.
Claims of more than any bot can have done in the time are dropped. The limits are far above what real bots
do. A bot that was without a controller for an hour may report that hour at once, so each limit is an initial
amount and a rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final, NamedTuple, TypeVar

from controller.observe.labels import ERROR_KINDS, Declared
from podline.contract.arithmetic import (
    MAX_MODELS,
    MAX_SERVICES,
    MAX_TOOLS,
    NOTHING,
    OTHER,
    added,
    beyond,
    key_of,
    plus,
    together,
)
from podline.contract.messages import (
    AnswerRequested,
    AudioDropped,
    BotTimeline,
    ClientMessagesRefused,
    ErrorSeen,
    Event,
    FinalReport,
    FirstByte,
    Interrupted,
    ModelReconnected,
    ModelReseeded,
    Report,
    ResponseLatency,
    Silence,
    Synthesized,
    Talked,
    TokensUsed,
    ToolCalled,
    Transcribed,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.usage import ModelUsage, Tokens, ToolCalls, Usage

T = TypeVar("T", ModelUsage, ToolCalls)
Used = TokensUsed | Transcribed | Synthesized


class Allowance(NamedTuple):
    """An initial amount, and an additional amount for each second of the session."""

    at_once: float
    per_second: float

    def after(self, seconds: float) -> float:
        return self.at_once + self.per_second * seconds


PROMPT_TOKENS: Final = Allowance(10_000_000, 100_000)
"""Each turn sends the whole context again. This is a full context of a million every ten seconds, six million
tokens a minute, which is a vendor's limit for a whole project."""
COMPLETION_TOKENS: Final = Allowance(200_000, 2_000)
"""Speech is 25 to 32 tokens a second; the fastest text models write about a thousand."""
MOST_PROMPT_TOKENS: Final = 2 * 1024 * 1024
"""In one answer: twice the largest context."""
MOST_COMPLETION_TOKENS: Final = 128 * 1024
"""In one answer: twice the longest."""
TRANSCRIBED_SECONDS: Final = Allowance(600, 8)
"""Of audio: eight transcriptions at a time."""
SYNTHESIZED_CHARACTERS: Final = Allowance(100_000, 1_000)
"""Speech is 15 to 20 characters a second, and much of it is cut short."""
TALK_SECONDS: Final = Allowance(60, 1.2)
"""By either side."""
WAITING_SECONDS: Final = Allowance(60, 1.0)
"""The longest that anything in a call can have taken."""

CLIENT_MESSAGES: Final = Allowance(10_000, 1_000)
"""In one event: a caller's client can send many."""
DROPPED_SECONDS: Final = Allowance(600, 100)
"""Of sound, in one event."""

EVENTS: Final[Mapping[type[Event], Allowance]] = {
    TokensUsed: Allowance(500, 5),
    Transcribed: Allowance(500, 10),
    Synthesized: Allowance(500, 10),
    FirstByte: Allowance(500, 20),
    ResponseLatency: Allowance(500, 5),
    TurnEnded: Allowance(500, 5),
    Interrupted: Allowance(500, 5),
    ToolCalled: Allowance(500, 10),
    Talked: Allowance(500, 10),
    Silence: Allowance(100, 1),
    TurnUnanswered: Allowance(500, 5),
    AnswerRequested: Allowance(500, 5),
    ModelReconnected: Allowance(100, 1),
    ModelReseeded: Allowance(100, 1),
    ErrorSeen: Allowance(500, 5),
    ClientMessagesRefused: Allowance(500, 5),
    AudioDropped: Allowance(500, 5),
}

BATCHES: Final = Allowance(200, 20)
"""Real bots send one every five seconds, and fifty for an hour's backlog."""

MAX_KINDS: Final = 4
"""How many kinds of errors and of unknown events one session may add."""

_FUTURE_SECONDS: Final = 1.0
"""By how much a moment may be later than its message, because of rounding."""

_MARKS: Final = ("process_up", "joined", "caller_joined", "first_speech")


@dataclass(slots=True)
class Claims:
    """What one bot has claimed so far.

    Attributes:
        refused: the sum of the events that were dropped, to be subtracted from the bot's totals.
        is_known_to_lie: whether it has been logged that something was dropped.
    """

    refused: Usage = NOTHING
    is_known_to_lie: bool = False
    _batches: int = 0
    _events: Counter[type[Event]] = field(default_factory=Counter)
    _prompt: int = 0
    _completion: int = 0
    _transcribed: float = 0.0
    _synthesized: int = 0
    _talk: dict[str, float] = field(default_factory=dict)
    _models: set[str] = field(default_factory=set)
    _services: set[str] = field(default_factory=set)
    _tools: set[str] = field(default_factory=set)
    _kinds: set[str] = field(default_factory=set)

    def take_batch(self, age_seconds: float) -> bool:
        """Return whether one more batch, even a repeat, is plausible by now; count it if so."""
        self._batches += 1
        is_taken = self._batches <= BATCHES.after(age_seconds)
        self._batches -= not is_taken
        return is_taken

    def judge(self, report: Report, age_seconds: float, declared: Declared) -> tuple[Report, Counter[str]]:
        """Return the plausible part of a new batch, and how many events of each kind are not plausible.

        Its totals stay as they are: see `totals`. A bot may use a few names besides the declared ones.
        """
        refusals: Counter[str] = Counter()
        events = []
        for claimed in report.events:
            event = self._named(claimed, declared)
            if self._take(event, age_seconds):
                events.append(event)
            else:
                self.refused = plus(self.refused, event)
                refusals[event.type] += 1
        timeline = self._moments(report.timeline, refusals)
        return replace(report, events=events, timeline=timeline), refusals

    def judge_last(self, report: FinalReport) -> tuple[FinalReport, Counter[str]]:
        """Return the plausible part of a final report's timeline, and how many moments are not."""
        refusals: Counter[str] = Counter()
        timeline = self._moments(report.timeline, refusals)
        return replace(report, timeline=timeline), refusals

    def totals(self, claimed: Usage, age_seconds: float) -> Usage | None:
        """Return a bot's totals without refused events; None if they are not plausible."""
        totals = with_plain_names(claimed)
        if self.refused != NOTHING:
            totals = beyond(totals, self.refused)
        return totals if is_plausible(totals, age_seconds) else None

    def unknown(self, kinds: Iterable[str]) -> list[str]:
        """Return names for kinds of events that are unknown here: `OTHER` once there are too many."""
        return [self._kind(kind) for kind in kinds]

    def _take(self, event: Event, age_seconds: float) -> bool:
        """Return whether this event is plausible given all earlier ones; count it if so."""
        if self._events[type(event)] >= EVENTS[type(event)].after(age_seconds):
            return False
        match event:
            case TokensUsed(tokens=tokens):
                is_taken = self._take_tokens(tokens, age_seconds)
            case Transcribed(seconds=seconds):
                is_taken = self._transcribed + seconds <= TRANSCRIBED_SECONDS.after(age_seconds)
                self._transcribed += seconds if is_taken else 0.0
            case Synthesized(characters=characters):
                is_taken = self._synthesized + characters <= SYNTHESIZED_CHARACTERS.after(age_seconds)
                self._synthesized += characters if is_taken else 0
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
        """Return the event, renamed to `OTHER` if its name is not printable or exceeds the limit of names."""
        match event:
            case TokensUsed() | Transcribed() | Synthesized():
                return self._with_few_services(self._with_few_models(event, declared))
            case ToolCalled(name=name) if name not in declared.tools:
                known = _bounded(name, self._tools, MAX_TOOLS)
                return event if known == name else replace(event, name=known)
            case FirstByte(model=name, service=service) if not f"{name}{service}".isprintable():
                return replace(event, model=OTHER, service=OTHER)
            case ErrorSeen(kind=name):
                known = self._kind(name)
                return event if known == name else replace(event, kind=known)
            case _:
                return event

    def _with_few_models(self, event: Used, declared: Declared) -> Used:
        if event.model in declared.models:
            return event
        known = _bounded(event.model, self._models, MAX_MODELS)
        return event if known == event.model else replace(event, model=known)

    def _with_few_services(self, event: Used) -> Used:
        if event.service is None:
            return event
        key = key_of(event.service, event.model)
        return event if _bounded(key, self._services, MAX_SERVICES) == key else replace(event, service=OTHER)

    def _kind(self, name: str) -> str:
        return name if name in ERROR_KINDS else _bounded(name, self._kinds, MAX_KINDS + 1)

    def _moments(self, timeline: BotTimeline, refusals: Counter[str]) -> BotTimeline:
        """Return the timeline without moments that are later than its own message."""
        latest = timeline.now + _FUTURE_SECONDS
        future = [name for name in _MARKS if (getattr(timeline, name) or 0) > latest]
        if not future:
            return timeline
        refusals["timeline"] += len(future)
        without: dict[str, Any] = dict.fromkeys(future)
        return replace(timeline, **without)


def is_plausible(usage: Usage, age_seconds: float) -> bool:
    """Return whether one session can have used all this in that time."""
    extents = [_extent(tokens) for tokens in usage.models.values()]
    calls = sum(each.ok + each.error for each in usage.tool_calls.values())
    return (
        sum(prompt for prompt, _ in extents) <= PROMPT_TOKENS.after(age_seconds)
        and sum(completion for _, completion in extents) <= COMPLETION_TOKENS.after(age_seconds)
        and sum(each.audio_seconds for each in usage.models.values())
        <= TRANSCRIBED_SECONDS.after(age_seconds)
        and sum(each.characters for each in usage.models.values())
        <= SYNTHESIZED_CHARACTERS.after(age_seconds)
        and usage.turns <= EVENTS[TurnEnded].after(age_seconds)
        and usage.turns_unanswered <= EVENTS[TurnUnanswered].after(age_seconds)
        and usage.interruptions <= EVENTS[Interrupted].after(age_seconds)
        and calls <= EVENTS[ToolCalled].after(age_seconds)
        and max(usage.talk_seconds.caller, usage.talk_seconds.bot) <= TALK_SECONDS.after(age_seconds)
    )


def at_least(usage: Usage, counted: Usage) -> Usage:
    """Return the usage, with no number lower than what was counted."""
    missing = beyond(counted, usage)
    return usage if missing == NOTHING else together(usage, missing)


def with_plain_names(usage: Usage) -> Usage:
    """Return the usage, with names that are not printable merged under `OTHER`."""
    if all(name.isprintable() for name in (*usage.models, *usage.tool_calls, *usage.services)):
        return usage
    return replace(
        usage,
        models=_plainly(usage.models, ModelUsage()),
        tool_calls=_plainly(usage.tool_calls, ToolCalls()),
        services=_plainly(usage.services, ModelUsage()),
    )


def with_few_names(usage: Usage) -> Usage:
    """Return the usage with no more names than allowed: the rest are summed up under `OTHER`."""
    few = (
        len(usage.models) <= MAX_MODELS,
        len(usage.tool_calls) <= MAX_TOOLS,
        len(usage.services) <= MAX_SERVICES,
    )
    if all(few):
        return usage
    return replace(
        usage,
        models=_few(usage.models, ModelUsage(), MAX_MODELS),
        tool_calls=_few(usage.tool_calls, ToolCalls(), MAX_TOOLS),
        services=_few(usage.services, ModelUsage(), MAX_SERVICES),
    )


def _few(named: Mapping[str, T], nothing: T, limit: int) -> dict[str, T]:
    if len(named) <= limit:
        return dict(named)
    kept = [name for name in named if name != OTHER][: limit - 1]
    rest = [each for name, each in named.items() if name not in kept]
    return {**{name: named[name] for name in kept}, OTHER: reduce(added, rest, nothing)}


def _plainly(named: Mapping[str, T], nothing: T) -> dict[str, T]:
    plain = {name: each for name, each in named.items() if name.isprintable()}
    others = [each for name, each in named.items() if not name.isprintable()]
    if others:
        plain[OTHER] = reduce(added, others, plain.get(OTHER, nothing))
    return plain


def _bounded(name: str, known: set[str], limit: int) -> str:
    """Return the name, or `OTHER` if it is not printable or the limit is reached. Adds it to `known`."""
    if name in known:
        return name
    if not name.isprintable() or len(known) >= limit - 1:
        return OTHER
    known.add(name)
    return name


def _extent(tokens: Tokens | ModelUsage) -> tuple[int, int]:
    """Return the size of a claim, prompt and completion. A part may be claimed to exceed the whole."""
    prompt = max(
        tokens.prompt_tokens,
        tokens.input_audio_tokens,
        tokens.cache_read_input_tokens,
        tokens.cache_read_input_audio_tokens,
    )
    return prompt, max(tokens.completion_tokens, tokens.output_audio_tokens, tokens.reasoning_tokens)
