"""The cost of usage: the operator's price file, and usage in money. Pure, except for reading the file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from podline.contract.agents import NAME_PATTERN
from podline.contract.arithmetic import by_service
from podline.contract.usage import ModelUsage, Tokens, Usage

Direction = Literal["input", "cached_input", "output", "reasoning"]
Modality = Literal["text", "audio"]
Kind = tuple[Direction, Modality]
Unit = Kind | Literal["audio_seconds", "characters"]

KINDS: Final[tuple[Kind, ...]] = (
    ("input", "text"),
    ("input", "audio"),
    ("cached_input", "text"),
    ("cached_input", "audio"),
    ("output", "text"),
    ("output", "audio"),
    ("reasoning", "text"),
)

_PER: Final = 1_000_000
_SECONDS_OF_A_MINUTE: Final = 60
_PLACES: Final = 9
"""A billionth of the currency, less than any token costs."""

Key = tuple[str | None, str | None, str]
"""An agent, a service and a model; None for any."""

Price = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class InvalidPricesError(Exception):
    """The price file can't be used; the message names the line or field."""


class PerModality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices per million tokens."""

    text: Price
    audio: Price


class ModelPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """The prices of one model from a day on, of one service or agent or of all: tokens, audio, characters.

    By default cached input costs as much as input, and reasoning as much as text.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    since: date
    input: PerModality | None = None
    output: PerModality | None = None
    cached_input: PerModality | None = None
    reasoning: Price | None = None
    audio_minute: Price | None = None
    characters: Price | None = None
    service: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    agent: Annotated[str, msgspec.Meta(pattern=f"^{NAME_PATTERN}$")] | None = None

    @property
    def key(self) -> Key:
        return self.agent, self.service, _plain(self.model)

    def __post_init__(self) -> None:
        if (self.input is None) != (self.output is None):
            raise ValueError("`input` and `output` need each other")
        if self.input is None and (self.cached_input is not None or self.reasoning is not None):
            raise ValueError("`cached_input` and `reasoning` need `input` and `output`")
        if self.input is None and self.audio_minute is None and self.characters is None:
            raise ValueError("it has no price: give `input` and `output`, `audio_minute` or `characters`")

    def of(self, unit: Unit) -> float | None:
        """Return the price of a million tokens or characters, or of a minute; None if there is none."""
        if unit == "audio_seconds":
            return self.audio_minute
        if unit == "characters":
            return self.characters
        if self.input is None or self.output is None:
            return None
        direction, modality = unit
        if direction == "reasoning":
            return self.output.text if self.reasoning is None else self.reasoning
        prices = {
            "input": self.input,
            "cached_input": self.cached_input or self.input,
            "output": self.output,
        }[direction]
        return prices.text if modality == "text" else prices.audio


@dataclass(frozen=True, slots=True)
class Charged:
    """The cost of some usage, and how much of it has no price.

    Attributes:
        amount: the cost; None if nothing of it has a price.
        unpriced: what it does not include.
    """

    amount: float | None
    unpriced: Mapping[Unit, float]

    @property
    def unpriced_tokens(self) -> float:
        return sum(count for unit, count in self.unpriced.items() if unit in KINDS)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    prices: Annotated[list[ModelPrices], msgspec.Meta(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a session. It names models that were used in a way that has no price and is not included.

    What services cost adds up to what models cost, except where it is not known which service used a model.
    """

    currency: str
    amount: float
    models: Mapping[str, float]
    services: Mapping[str, float]
    unpriced_models: tuple[str, ...]


class PriceList:
    """The prices of all models in the price file, each valid from its day on."""

    def __init__(self, currency: str, prices: list[ModelPrices]) -> None:
        self.currency = currency
        self._prices = tuple(prices)
        self._of: dict[Key, list[ModelPrices]] = {}
        for each in sorted(prices, key=lambda each: each.since, reverse=True):
            self._of.setdefault(each.key, []).append(each)

    @property
    def models(self) -> frozenset[str]:
        return frozenset(model for _, _, model in self._of)

    @property
    def services(self) -> frozenset[str]:
        return frozenset(service for _, service, _ in self._of if service is not None)

    def charged(self, agent: str, service: str | None, model: str, used: ModelUsage, on: date) -> Charged:
        """Return the cost of this usage at the prices of that day.

        Those of the agent go before those of any, and then those of the service before those of any.
        """
        amounts = units(used)
        prices = self._valid(agent, service, model, on)
        if prices is None:
            return Charged(None, amounts)
        priced = [(unit, count, prices.of(unit)) for unit, count in amounts.items()]
        costs = [_cost(unit, count, price) for unit, count, price in priced if price is not None]
        unpriced = {unit: count for unit, count, price in priced if price is None}
        return Charged(sum(costs) if costs or not unpriced else None, unpriced)

    def charge(self, agent: str, usage: Usage, on: date) -> float:
        """Return what a session's budget is charged: what has no price costs the highest of its kind."""
        parts = by_service(usage).items()
        charged = [self.charged(agent, service, model, used, on) for (service, model), used in parts]
        return sum((each.amount or 0.0) + self._at_most(agent, each.unpriced) for each in charged)

    def cost(self, agent: str, usage: Usage, on: date) -> Cost:
        """Return the cost of a session of this agent that was accepted on that day."""
        models: dict[str, float] = {}
        services: dict[str, float] = {}
        unpriced: dict[str, None] = {}
        for (service, model), used in by_service(usage).items():
            charged = self.charged(agent, service, model, used, on)
            if charged.unpriced:
                unpriced[model] = None
            if charged.amount is not None:
                models[model] = models.get(model, 0.0) + charged.amount
                if service is not None:
                    services[service] = services.get(service, 0.0) + charged.amount
        return Cost(
            currency=self.currency,
            amount=round(sum(models.values()), _PLACES),
            models={name: round(each, _PLACES) for name, each in models.items()},
            services={name: round(each, _PLACES) for name, each in services.items()},
            unpriced_models=tuple(unpriced),
        )

    def _valid(self, agent: str, service: str | None, model: str, on: date) -> ModelPrices | None:
        keys = ((owner, seller, model) for owner in (agent, None) for seller in (service, None))
        return next((each for key in keys for each in self._of.get(key, ()) if each.since <= on), None)

    def _at_most(self, agent: str, amounts: Mapping[Unit, float]) -> float:
        return sum(_cost(unit, count, self._highest(agent, unit)) for unit, count in amounts.items())

    def _highest(self, agent: str, unit: Unit) -> float:
        prices = (each.of(unit) or 0.0 for each in self._prices if each.agent in (agent, None))
        return max(prices, default=0.0)


def read_prices(path: Path) -> PriceList:
    """Read a price file; see deploy/prices.example.toml.

    Raises:
        InvalidPricesError: it can't be read or used.
    """
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise InvalidPricesError(f"{path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidPricesError(f"{path} is not valid TOML: {str(error).rstrip('.')}.") from error
    except msgspec.ValidationError as error:
        # The path within the document counts entries from 0: `$.prices[0].input.text`.
        raise InvalidPricesError(f"{path}: {error}.") from error
    seen: set[tuple[Key, date]] = set()
    for number, each in enumerate(file.prices):
        entry = (each.key, each.since)
        if entry in seen:
            of_service = f" of {each.service!r}" if each.service else ""
            of_agent = f" of agent {each.agent!r}" if each.agent else ""
            twice = f"{each.model!r}{of_service}{of_agent} has two entries from {each.since}"
            raise InvalidPricesError(f"{path}: {twice} - at `$.prices[{number}]`; keep one.")
        seen.add(entry)
    return PriceList(file.currency, file.prices)


def units(used: ModelUsage) -> dict[Unit, float]:
    """Return the parts of this usage that can have a price of their own, without those that are zero."""
    amounts: dict[Unit, float] = {kind: count for kind, count in split(used) if count}
    if used.audio_seconds:
        amounts["audio_seconds"] = used.audio_seconds
    if used.characters:
        amounts["characters"] = used.characters
    return amounts


def split(tokens: Tokens | ModelUsage) -> Iterator[tuple[Kind, int]]:
    """Return tokens by kind, each in one kind only: together they are the prompt and the completion.

    A part that is reported as larger than its whole counts as the whole.
    """
    audio = min(tokens.input_audio_tokens, tokens.prompt_tokens)
    text = tokens.prompt_tokens - audio
    cached = min(tokens.cache_read_input_tokens, tokens.prompt_tokens)
    cached_audio = min(tokens.cache_read_input_audio_tokens, cached, audio)
    cached_text = min(cached - cached_audio, text)
    said = min(tokens.output_audio_tokens, tokens.completion_tokens)
    thought = min(tokens.reasoning_tokens, tokens.completion_tokens - said)
    written = tokens.completion_tokens - said - thought
    counts = (text - cached_text, audio - cached_audio, cached_text, cached_audio, written, said, thought)
    return zip(KINDS, counts, strict=True)


def _cost(unit: Unit, count: float, price: float) -> float:
    return count * price / (_SECONDS_OF_A_MINUTE if unit == "audio_seconds" else _PER)


def _plain(model: str) -> str:
    """Return the model's name as bots report it, without the API's prefix."""
    return model.removeprefix("models/")
