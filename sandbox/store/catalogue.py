"""The products of the shop, read from `catalogue.json`."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec


class CatalogueProduct(msgspec.Struct, frozen=True):
    """One product; `price` is in whole units of the currency, with cents after the point."""

    number: int
    name: str
    category: str
    price: float
    currency: str
    description: str


class _Item(msgspec.Struct, frozen=True):
    name: str
    price: float
    description: str


class _Category(msgspec.Struct, frozen=True):
    category: str
    kinds: list[str]
    products: list[_Item]


class Catalogue(msgspec.Struct, frozen=True):
    """All products by number, the categories, and the kinds of things they are.

    Attributes:
        kinds: What a caller may ask for in one or two words, such as `running shoes`.
    """

    products: dict[int, CatalogueProduct]
    categories: list[str]
    kinds: list[str]


def load_catalogue() -> Catalogue:
    """Read the catalogue that comes with the package.

    Numbers go round the categories, so that the low ones, which are easily said, are spread over all.
    """
    text = resources.files("sandbox").joinpath("catalogue.json").read_bytes()
    categories = msgspec.json.decode(text, type=list[_Category])
    longest = max(len(category.products) for category in categories)
    in_order = [
        (category.category, category.products[index])
        for index in range(longest)
        for category in categories
        if index < len(category.products)
    ]
    return Catalogue(
        products={
            number: CatalogueProduct(number, item.name, category, item.price, "USD", item.description)
            for number, (category, item) in enumerate(in_order, start=1)
        },
        categories=[category.category for category in categories],
        kinds=[kind for category in categories for kind in category.kinds],
    )


def as_json(product: CatalogueProduct) -> dict[str, Any]:
    """Return the product as the web app's backend sends it."""
    return msgspec.structs.asdict(product)
