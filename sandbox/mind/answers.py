"""What the model says: fixed sentences, and sentences made from what a tool has returned."""

from __future__ import annotations

import re
from typing import Any, Final, assert_never

from sandbox.mind.intents import Remove, Save, Search

GREETING: Final = "Hello! I can find, save and remove products for you. What are you looking for?"
FAREWELL: Final = "Thank you for calling. Goodbye!"
SORRY: Final = "Sorry, I did not understand that. You can say, for example: find running shoes."
ONE_MOMENT: Final = "One moment, please."
NOTHING_YET: Final = "You have not asked me for anything yet."
FOUND_SOME: Final = "I found some products. What else can I find for you?"
NO_TOOL: Final = "Sorry, I can't do that here."
_FAILED: Final = "Sorry, that did not work. Please try again."

_MOST_SPOKEN: Final = 3
Request = Search | Save | Remove

_WRAPPERS: Final = ("result", "output", "value")
_SUBJECT: Final[dict[type[Request], str]] = {Search: "products", Save: "saved", Remove: "removed"}
"""The key of a success in a result of the bot's tools. A `message` beside it is for the model alone."""


def answer_from(request: Request, response: dict[str, Any]) -> str:
    """What to say about a tool's response to a request."""
    result = _unwrapped(response)
    is_success = isinstance(result.get(_SUBJECT[type(request)]), dict | list) and "error" not in result
    if not is_success and (statement := _statement(result)):
        return statement
    if isinstance(request, Search):
        return _found(request, result)
    return _changed(request, result)


def recalled(search: Search | None) -> str:
    """Return what to say to a caller who asks what they looked for."""
    return NOTHING_YET if search is None else f"You asked me for {search.query}."


def sentences(text: str) -> list[str]:
    """Split a text where a speaker takes a breath."""
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+", text.strip()) if sentence]


def _unwrapped(response: dict[str, Any]) -> dict[str, Any]:
    for name in _WRAPPERS:
        if isinstance(inner := response.get(name), dict):
            return inner
        if isinstance(inner, str):
            return {"message": inner} if inner != "CANCELLED" else {"success": False}
    return response


def _statement(result: dict[str, Any]) -> str | None:
    """A sentence that the application wants the caller to hear."""
    for name in ("say", "error", "message", "statement"):
        if isinstance(sentence := result.get(name), str) and sentence.strip():
            return sentence.strip()
    return None


def _found(request: Search, result: dict[str, Any]) -> str:
    listed = result.get("products")
    if not isinstance(listed, list):
        return _FAILED
    products = [product for product in listed if isinstance(product, dict)]
    if not products:
        return f"I found nothing for {request.query}. What else can I find for you?"
    total = result.get("total", len(products))
    count = "1 product" if total == 1 else f"{total} products"
    described = " ".join(_described(product) for product in products[:_MOST_SPOKEN])
    return f"I found {count}. {described} Say save and the number to keep one."


def _described(product: dict[str, Any]) -> str:
    price = product.get("price")
    cost = f", {_money(float(price))}" if isinstance(price, int | float) else ""
    return f"Number {product.get('number')}, {product.get('name')}{cost}."


def _money(price: float) -> str:
    dollars, cents = divmod(round(price * 100), 100)
    words = "1 dollar" if dollars == 1 else f"{dollars} dollars"
    return f"{words} {cents}" if cents else words


def _changed(request: Save | Remove, result: dict[str, Any]) -> str:
    product = result.get("product") or result.get(_SUBJECT[type(request)])
    name = f", {product['name']}" if isinstance(product, dict) and product.get("name") else ""
    if result.get("success") is False:
        return _FAILED
    match request:
        case Save() if result.get("alreadySaved"):
            return f"Number {request.number}{name}, was already on your list."
        case Save():
            return f"Saved number {request.number}{name}."
        case Remove() if result.get("removed") is False or result.get("wasOnList") is False:
            return f"Number {request.number}{name}, was not on your list."
        case Remove():
            return f"Removed number {request.number}{name}."
        case _:
            assert_never(request)
