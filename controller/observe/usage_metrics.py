"""Counters and histograms fed by bots' reports."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.core.session import Session
from controller.observe.answer_metrics import LATENCY, AnswerMetrics
from controller.observe.labels import ERROR_KINDS, REFUSAL_CAUSES, BoundedValues, Declared, DeclaredValues
from controller.observe.prices import Charged, PriceList, split
from podline.contract.arithmetic import OTHER, by_service
from podline.contract.messages import (
    AudioDropped,
    ClientMessagesRefused,
    ErrorSeen,
    Event,
    FirstByte,
    Silence,
    ToolCalled,
)
from podline.contract.usage import ModelUsage, TalkSeconds, ToolCalls, Usage

log = logging.getLogger("podline.metrics")

_TOOL: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20)
_TRACE_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_MAX_UNPRICED: Final = 32


def exemplar_of(session: Session) -> dict[str, str] | None:
    """Return an exemplar: the trace of one session, if it has one. A trace id admits nobody to a call."""
    found = _TRACE_PARENT.fullmatch(session.trace.get("traceparent", ""))
    return None if found is None else {"trace_id": found[1]}


def with_prices(declared: Declared, prices: PriceList | None) -> Declared:
    """Return the declared names, and the models and services that have a price."""
    return Declared(
        tools=frozenset(declared.tools),
        models=frozenset(declared.models) | (prices.models if prices else frozenset()),
        services=frozenset(declared.services) | (prices.services if prices else frozenset()),
    )


class UsageMetrics:
    """Observes each event once and adds usage once; the supervisor's ledgers ensure that."""

    def __init__(
        self,
        registry: CollectorRegistry,
        prices: PriceList | None,
        declared: Declared,
        agents: BoundedValues,
    ) -> None:
        self._prices = prices
        self._agents = agents
        self._models = DeclaredValues(declared.models)
        self._tools = DeclaredValues(declared.tools)
        self._services = DeclaredValues(declared.services)
        self._kinds = BoundedValues(ERROR_KINDS)
        self._unpriced: set[str] = set()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"podline_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"podline_{name}", what, labels, registry=registry, buckets=tuple(buckets))

        self._answers = AnswerMetrics(registry)
        self._first_byte = histogram(
            "model_first_byte_seconds",
            "Time until the first byte of a service's answer.",
            LATENCY,
            "service",
            "model",
        )
        self._turns = counter("turns", "Turns finished by callers.", "agent")
        self._interruptions = counter("interruptions", "Times a caller interrupted the bot.", "agent")
        self._silences = counter("silences", "Silences of 3 s, by who spoke last.", "after")
        self._tool_calls = counter("tool_calls", "Finished tool calls.", "tool", "outcome")
        self._tool_seconds = histogram("tool_call_duration_seconds", "Duration of tool calls.", _TOOL, "tool")
        self._errors = counter("bot_errors", "Errors inside bots whose calls continued.", "kind")
        self._tokens = counter(
            "tokens", "Tokens, each counted once.", "service", "model", "direction", "modality"
        )
        self._transcribed = counter(
            "transcribed_seconds", "Audio sent to speech-to-text services.", "service", "model"
        )
        self._synthesized = counter(
            "synthesized_characters", "Characters given to text-to-speech services.", "service", "model"
        )
        self._talk = counter("talk_seconds", "Time that each side spoke.", "side")
        self._cost = counter(
            "cost", "Cost of usage by the price file.", "agent", "service", "model", "currency"
        )
        self._unpriced_tokens = counter("unpriced_tokens", "Tokens without a price.", "service", "model")
        self._unpriced_seconds = counter(
            "unpriced_transcribed_seconds", "Transcribed audio without a price.", "service", "model"
        )
        self._unpriced_characters = counter(
            "unpriced_synthesized_characters", "Spoken characters without a price.", "service", "model"
        )
        self._client_messages_refused = counter(
            "client_messages_refused", "Messages from callers' clients that bots refused.", "cause"
        )
        self._audio_dropped = counter(
            "audio_dropped_seconds", "Callers' audio that was dropped because it exceeded real time."
        )
        self._causes = DeclaredValues(REFUSAL_CAUSES)
        for side in ("caller", "bot"):
            self._silences.labels(side)
            self._talk.labels(side)

    def agent_known(self, agent: str) -> None:
        """Create the series of an agent, given by its label."""
        self._turns.labels(agent)
        self._interruptions.labels(agent)
        self._answers.agent_known(agent)

    def observe(self, session: Session, events: Iterable[Event]) -> None:
        """Observe an event other than usage; `add` handles usage."""
        exemplar = exemplar_of(session)
        agent = self._agents.bounded(session.agent)
        for event in events:
            match event:
                case FirstByte(model=model, seconds=seconds, service=service):
                    labels = self._labels(service, model)
                    self._first_byte.labels(*labels).observe(seconds, exemplar)
                case ToolCalled(name=name, seconds=seconds):
                    self._tool_seconds.labels(self._tools.bounded(name)).observe(seconds, exemplar)
                case Silence(after=after):
                    self._silences.labels(after).inc(exemplar=exemplar)
                case ErrorSeen(kind=kind):
                    self._errors.labels(self._kinds.bounded(kind)).inc(exemplar=exemplar)
                case ClientMessagesRefused(cause=cause, count=count):
                    self._client_messages_refused.labels(self._causes.bounded(cause)).inc(count)
                case AudioDropped(seconds=seconds):
                    self._audio_dropped.inc(seconds)
                case _:
                    self._answers.observe(agent, event, exemplar)

    def add(self, session: Session, usage: Usage) -> None:
        """Add a session's usage since the last call."""
        day = session.timeline.accepted.date()
        agent = self._agents.bounded(session.agent)
        for (service, model), used in by_service(usage).items():
            labels = self._labels(service, model)
            self._add_used(labels, used)
            if self._prices is not None:
                charged = self._prices.charged(session.agent, service, model, used, day)
                self._add_cost(agent, labels, charged, self._prices.currency)
                if charged.unpriced:
                    self._note_unpriced(service, model)
        for name, calls in usage.tool_calls.items():
            self._add_calls(self._tools.bounded(name), calls)
        _inc(self._turns, (agent,), usage.turns)
        _inc(self._interruptions, (agent,), usage.interruptions)
        self._add_talk(usage.talk_seconds)

    def _labels(self, service: str | None, model: str) -> tuple[str, str]:
        return OTHER if service is None else self._services.bounded(service), self._models.bounded(model)

    def _add_used(self, labels: tuple[str, str], used: ModelUsage) -> None:
        for (direction, modality), count in split(used):
            if count:
                self._tokens.labels(*labels, direction, modality).inc(count)
        _inc(self._transcribed, labels, used.audio_seconds)
        _inc(self._synthesized, labels, used.characters)

    def _add_cost(self, agent: str, labels: tuple[str, str], charged: Charged, currency: str) -> None:
        if charged.amount is not None:
            self._cost.labels(agent, *labels, currency).inc(charged.amount)
        _inc(self._unpriced_tokens, labels, charged.unpriced_tokens)
        _inc(self._unpriced_seconds, labels, charged.unpriced.get("audio_seconds", 0.0))
        _inc(self._unpriced_characters, labels, charged.unpriced.get("characters", 0.0))

    def _note_unpriced(self, service: str | None, model: str) -> None:
        if model not in self._unpriced and len(self._unpriced) < _MAX_UNPRICED:
            self._unpriced.add(model)
            log.warning("model without a price", extra={"model": model, "service": service})

    def _add_calls(self, tool: str, calls: ToolCalls) -> None:
        for outcome, count in (("ok", calls.ok), ("error", calls.error)):
            if count:
                self._tool_calls.labels(tool, outcome).inc(count)

    def _add_talk(self, talk: TalkSeconds) -> None:
        for side, seconds in (("caller", talk.caller), ("bot", talk.bot)):
            if seconds:
                self._talk.labels(side).inc(seconds)


def _inc(counter: Counter, labels: tuple[str, ...], amount: float) -> None:
    if amount:
        counter.labels(*labels).inc(amount)
