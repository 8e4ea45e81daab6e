"""What a session used and what that costs, as the API shows it."""

from __future__ import annotations

from typing import Self

import msgspec
from pydantic import ConfigDict

from controller.core.session import Session
from controller.observe.prices import PriceList
from controller.web.models.documented import Documented
from podline.contract.arithmetic import by_service
from podline.contract.usage import Usage


class ModelUsageOut(Documented):
    """The usage of one model.

    A language or realtime model has tokens, a speech-to-text model `audio_seconds`, and a text-to-speech
    model `characters`; the other fields are 0.
    """

    model_config = ConfigDict(from_attributes=True)

    prompt_tokens: int
    """Tokens that the model was sent, including the audio and the cached ones."""
    completion_tokens: int
    """Tokens that the model produced, including the audio and the reasoning ones."""
    input_audio_tokens: int
    """The part of `prompt_tokens` that was audio."""
    output_audio_tokens: int
    """The part of `completion_tokens` that was audio."""
    cache_read_input_tokens: int
    """The part of `prompt_tokens` that the model read from its cache."""
    cache_read_input_audio_tokens: int
    """The part of `cache_read_input_tokens` that was audio."""
    reasoning_tokens: int
    """The part of `completion_tokens` that the model spent on reasoning."""
    audio_seconds: float
    """Seconds of audio that a speech-to-text model was sent."""
    characters: int
    """Characters that a text-to-speech model was given."""


class ServiceUsageOut(Documented):
    """The usage of one of the bot's services."""

    models: dict[str, ModelUsageOut]
    """The service's models by name."""


class ToolCallsOut(Documented):
    """How often the bot called one tool, by outcome."""

    ok: int
    """Calls that returned a result."""
    error: int
    """Calls that failed."""


class TalkSecondsOut(Documented):
    """How long each side spoke."""

    caller: float
    """Seconds of the caller's speech."""
    bot: float
    """Seconds of the bot's speech."""


class UsageOut(Documented):
    """What the call has used so far."""

    models: dict[str, ModelUsageOut]
    """All models by name."""
    services: dict[str, ServiceUsageOut]
    """The same, by the class of the service that used the model, as far as the bot says which it was."""
    turns: int
    """Finished turns of the caller."""
    interruptions: int
    """How often the caller interrupted the bot."""
    tool_calls: dict[str, ToolCallsOut]
    """Calls of tools, by the tool's name."""
    talk_seconds: TalkSecondsOut
    """How long each side has spoken so far."""
    partial: bool
    """True if the bot left no final report, so that it may have used more than this."""

    @classmethod
    def of(cls, session: Session) -> Self:
        """Return the usage of a session."""
        usage = msgspec.to_builtins(session.usage)
        del usage["turns_unanswered"]
        usage |= {"services": _services(session.usage), "partial": session.usage_is_partial}
        return cls(**usage)


def _services(usage: Usage) -> dict[str, ServiceUsageOut]:
    services: dict[str, ServiceUsageOut] = {}
    for (service, model), used in by_service(usage).items():
        if service is not None:
            of_service = services.setdefault(service, ServiceUsageOut(models={}))
            of_service.models[model] = ModelUsageOut.model_validate(used)
    return services


class CostOut(Documented):
    """What the usage costs by the operator's price file, at the prices of the day of the request."""

    model_config = ConfigDict(from_attributes=True)

    currency: str
    """The currency of all amounts, as in ISO 4217."""
    amount: float
    """The total."""
    models: dict[str, float]
    """The cost of each model, by name."""
    services: dict[str, float]
    """The cost of each service, as far as it is known which service used a model."""
    unpriced_models: list[str]
    """Models of which some usage has no price in the file. No amount includes that usage."""

    @classmethod
    def of(cls, session: Session, prices: PriceList | None) -> Self | None:
        """Return the cost of a session; None without prices."""
        if prices is None:
            return None
        cost = prices.cost(session.agent, session.usage, session.timeline.accepted.date())
        return cls.model_validate(cost)


class BudgetOut(Documented):
    """The most that the session may use before it ends as `budget_spent`."""

    model_config = ConfigDict(from_attributes=True)

    tokens: int | None
    """Prompt and completion tokens of all models together; null if there is no such limit."""
    cost: float | None
    """An amount in the price file's currency; null if there is no such limit."""
