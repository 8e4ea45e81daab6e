"""Product search: words, a category and a price range, ranked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from sandbox.store.catalogue import CatalogueProduct

MOST_PRODUCTS: Final = 5
"""The most products in one answer; `total` counts all that were found."""

_CHEAP: Final = 30.0
_EXPENSIVE: Final = 150.0
_AMOUNT: Final = r"\$?\s*(\d+(?:\.\d+)?)"
_STOP_WORDS: Final = frozenset((
    "a", "an", "and", "any", "are", "at", "buy", "can", "do", "find", "for", "from", "get", "give",
    "have", "i", "in", "is", "it", "just", "like", "list", "look", "looking", "me", "my", "need", "of",
    "on", "or", "please", "product", "products", "search", "show", "some", "something", "that", "the",
    "them", "these", "thing", "things", "to", "want", "with", "you", "your", "item", "items", "option",
    "options", "cheap", "cheapest", "affordable", "expensive", "under", "over", "below", "above",
    "dollar", "dollars",
))  # fmt: skip

_IRREGULAR: Final = {
    "knives": "knife",
    "scarves": "scarf",
    "mice": "mouse",
    "leaves": "leaf",
    "shelves": "shelf",
}

_IN_NAME: Final = 4.0
_IN_CATEGORY: Final = 2.0
_IN_DESCRIPTION: Final = 1.0


class PriceRange(msgspec.Struct, frozen=True):
    """Both ends belong to the range."""

    low: float = 0.0
    high: float = float("inf")

    def holds(self, price: float) -> bool:
        return self.low <= price <= self.high


def _between(one: float, other: float) -> PriceRange:
    return PriceRange(min(one, other), max(one, other))


def _up_to(amount: float) -> PriceRange:
    return PriceRange(high=amount)


def _from(amount: float) -> PriceRange:
    return PriceRange(low=amount)


_PRICE_READERS: Final[tuple[tuple[re.Pattern[str], Callable[..., PriceRange]], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (rf"{_AMOUNT}\s*(?:-|\u2013|to|and)\s*{_AMOUNT}", _between),
        (rf"(?:under|below|less than|cheaper than|at most|up to|max\w*|<=?)\s*{_AMOUNT}", _up_to),
        (rf"(?:over|above|more than|at least|from|min\w*|>=?)\s*{_AMOUNT}", _from),
        (rf"{_AMOUNT}\s*(?:\+|or more)", _from),
        (rf"(?:around|about)\s*{_AMOUNT}", lambda amount: PriceRange(amount * 0.8, amount * 1.2)),
        (rf"^\s*{_AMOUNT}(?:\s*(?:dollars|usd|or less))?\s*$", _up_to),
        (r"\b(?:cheap\w*|affordable|budget|low)\b", lambda: PriceRange(high=_CHEAP)),
        (r"\b(?:expensive|premium|luxury|high)\b", lambda: PriceRange(low=_EXPENSIVE)),
    )
)


def search(
    products: Iterable[CatalogueProduct], query: str, category: str | None, price_range: PriceRange
) -> list[CatalogueProduct]:
    """Return the products that match, best first, then by number.

    A product must have every word of the query somewhere. If none has, those with the most words count.
    A query without a meaningful word matches all products of the category and the price range.
    """
    offered = [
        product
        for product in products
        if price_range.holds(product.price) and (category is None or _same(product.category, category))
    ]
    wanted = telling_words(query)
    if not wanted:
        return sorted(offered, key=lambda product: product.number)
    ranked = [(_found_words(product, wanted), _score(product, wanted), product) for product in offered]
    most = max((found for found, _, _ in ranked), default=0)
    return [
        product
        for found, _, product in sorted(ranked, key=lambda rank: (-rank[1], rank[2].number))
        if found and found == most
    ]


def parse_price_range(words: str | None) -> PriceRange:
    """Read `under $100`, `$50-$150`, `over 20`, `between 20 and 50`, `cheap`; anything else is no limit."""
    text = (words or "").lower().replace(",", "")
    for pattern, read in _PRICE_READERS:
        if found := pattern.search(text):
            return read(*(float(amount) for amount in found.groups()))
    return PriceRange()


def telling_words(text: str) -> frozenset[str]:
    """Return the meaningful words of a text, without endings."""
    words = re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))
    return frozenset(_stem(word) for word in words if word not in _STOP_WORDS)


def _stem(word: str) -> str:
    """A word without its plural or -ing, roughly: the same for the query and for the catalogue."""
    word = _IRREGULAR.get(word, word)
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + replacement
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    if word.endswith("ing") and len(word) > 6:
        word = word[:-3]
        if word[-1] == word[-2]:
            word = word[:-1]
    return word


def _found_words(product: CatalogueProduct, wanted: frozenset[str]) -> int:
    return len(wanted & telling_words(f"{product.name} {product.category} {product.description}"))


def _score(product: CatalogueProduct, wanted: frozenset[str]) -> float:
    return (
        _IN_NAME * len(wanted & telling_words(product.name))
        + _IN_CATEGORY * len(wanted & telling_words(product.category))
        + _IN_DESCRIPTION * len(wanted & telling_words(product.description))
    )


def _same(category: str, wanted: str) -> bool:
    """Whether a category is the wanted one, however it is worded: `audio` is `Headphones and audio`."""
    return bool(telling_words(category) & telling_words(wanted))
