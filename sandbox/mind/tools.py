"""Which of an application's tools a request calls, and with what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from sandbox.mind.answers import Request
from sandbox.mind.intents import Remove, Save, Search

_FAREWELL_TOOLS: Final = ("end_call", "goodbye")

_NUMBER: Final = ("productNumber", "product_number", "number")
_PRICE_RANGE: Final = ("priceRange", "price_range")
"""The names that a tool may have for a parameter."""


def tool_named(request: Request) -> str:
    """Return the name of the tool that a request needs."""
    match request:
        case Search():
            return "search_products"
        case Save():
            return "save_product"
        case Remove():
            return "remove_product"


def arguments_for(request: Request, parameters: Collection[str]) -> dict[str, Any]:
    """Return what a tool with these parameters is called with, without what the caller didn't mention."""
    if isinstance(request, Search):
        named = [
            (("query",), request.query),
            (("category",), request.category),
            (_PRICE_RANGE, request.price_range),
        ]
        return {
            name: value
            for names, value in named
            if value is not None and (name := _declared(names, parameters)) is not None
        }
    name = _declared(_NUMBER, parameters)
    return {} if name is None else {name: request.number}


def request_in(tool: str, arguments: dict[str, Any]) -> Request | None:
    """Return the request that a call of a tool was made for; None if it was for none."""
    number = next((arguments[name] for name in _NUMBER if isinstance(arguments.get(name), int)), 0)
    match tool:
        case "search_products":
            return Search(str(arguments.get("query", "that")))
        case "save_product":
            return Save(number)
        case "remove_product":
            return Remove(number)
        case _:
            return None


def farewell_tool(declared: Iterable[str]) -> str | None:
    """Return the name of the application's tool for a goodbye, if it declared one."""
    names = set(declared)
    return next((name for name in _FAREWELL_TOOLS if name in names), None)


def _declared(names: tuple[str, ...], parameters: Collection[str]) -> str | None:
    return next((name for name in names if name in parameters), None)
