"""The cost of tokens: the operator's price file, and usage in money. Pure, except for reading the file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from podline.contract.usage import Tokens, Usage

Direction = Literal["input", "cached_input", "output", "reasoning"]
Modality = Literal["text", "audio"]
Kind = tuple[Direction, Modality]

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
_PLACES: Final = 9
"""A billionth of the currency, less than any token costs."""

Price = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class InvalidPricesError(Exception):
    """The price file can't be used; the message names the line or field."""


class PerModality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices per million tokens."""

    text: Price
    audio: Price


class ModelPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """The prices of one model from a day on.

    By default cached input costs as much as input, and reasoning as much as text.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    since: date
    input: PerModality
    output: PerModality
    cached_input: PerModality | None = None
    reasoning: Price | None = None

    def of(self, kind: Kind) -> float:
        """Return the price of a million tokens of this kind."""
        direction, modality = kind
        if direction == "reasoning":
            return self.output.text if self.reasoning is None else self.reasoning
        prices = {
            "input": self.input,
            "cached_input": self.cached_input or self.input,
            "output": self.output,
        }[direction]
        return prices.text if modality == "text" else prices.audio


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    prices: Annotated[list[ModelPrices], msgspec.Meta(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a session. It names models without a price, whose tokens are not included."""

    currency: str
    amount: float
    models: Mapping[str, float]
    unpriced_models: tuple[str, ...]


class PriceList:
    """The prices of all models in the price file, each valid from its day on."""

    def __init__(self, currency: str, prices: list[ModelPrices]) -> None:
        self.currency = currency
        self._of_model: dict[str, list[ModelPrices]] = {}
        for each in sorted(prices, key=lambda each: each.since, reverse=True):
            self._of_model.setdefault(_plain(each.model), []).append(each)

    @property
    def models(self) -> frozenset[str]:
        return frozenset(self._of_model)

    def amount(self, model: str, tokens: Tokens, on: date) -> float | None:
        """Return the cost of these tokens at the prices of that day; None if there are no prices."""
        prices = next((each for each in self._of_model.get(model, ()) if each.since <= on), None)
        if prices is None:
            return None
        return sum(count * prices.of(kind) for kind, count in split(tokens)) / _PER

    def charge(self, usage: Usage, on: date) -> float:
        """Return what a session's budget is charged: models without a price cost the highest of each kind."""
        amounts = ((self.amount(model, tokens, on), tokens) for model, tokens in usage.models.items())
        return sum(self._at_most(tokens) if known is None else known for known, tokens in amounts)

    def _at_most(self, tokens: Tokens) -> float:
        entries = [each for of_model in self._of_model.values() for each in of_model]
        highest = (count * max(each.of(kind) for each in entries) for kind, count in split(tokens))
        return sum(highest) / _PER

    def cost(self, usage: Usage, on: date) -> Cost:
        """Return the cost of a session that was accepted on that day."""
        amounts = {model: self.amount(model, tokens, on) for model, tokens in usage.models.items()}
        priced = {model: round(each, _PLACES) for model, each in amounts.items() if each is not None}
        return Cost(
            currency=self.currency,
            amount=round(sum(priced.values()), _PLACES),
            models=priced,
            unpriced_models=tuple(model for model, each in amounts.items() if each is None),
        )


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
    seen: set[tuple[str, date]] = set()
    for number, each in enumerate(file.prices):
        key = (_plain(each.model), each.since)
        if key in seen:
            twice = f"{each.model!r} has two entries from {each.since}"
            raise InvalidPricesError(f"{path}: {twice} - at `$.prices[{number}]`.")
        seen.add(key)
    return PriceList(file.currency, file.prices)


def split(tokens: Tokens) -> Iterator[tuple[Kind, int]]:
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


def _plain(model: str) -> str:
    """Return the model's name as bots report it, without the API's prefix."""
    return model.removeprefix("models/")
