"""Results of the product tools for the model: what happened, and what it can do about it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from bot.store import Changed, Found, Product, StoreError
from bot.tools.arguments import MAX_PRODUCT_NUMBER, Wanted
from podline.tool_calls import failure

Result = dict[str, Any]

MAX_RESULT_BYTES: Final = 16 * 1024
"""As ASCII JSON, its longest form. Ten products in English take 5 KB, and the model reads them each turn."""

SHOP_IS_AWAY: Final = "The shop is not answering right now."
AGAIN_IS_SAFE: Final = "Yes, once, if the caller agrees: doing it twice is the same as doing it once."

_AFTER_THE_CALLER: Final = "Only with what the caller answers."
_NO_MORE: Final = "No: it fails again in this call."
_IN_A_MOMENT: Final = "Once, a few seconds later, if the caller agrees."
_AMOUNT: Final = re.compile(r"\d")

Change = Literal["saved", "removed"]
_WHERE: Final[dict[Change, str]] = {"saved": "saved to the caller's list", "removed": "taken off the list"}


def found(wanted: Wanted, result: Found) -> Result:
    """Return the products of a search; if there are none, what was searched and what to try."""
    if result.products:
        return _within_limit(result.products, result.total)
    return {"products": [], "total": 0, "searched": _searched(wanted), "message": _nothing_found(wanted)}


def changed(change: Change, number: int, made: Changed) -> Result:
    """Return a change that was made, or that the list was already as requested."""
    result: Result = {change: asdict(made.product) if made.product else {"number": number}}
    if made.is_repeat and change == "saved":
        result |= {"alreadySaved": True, "message": "It was already on the caller's list; nothing changed."}
    elif made.is_repeat:
        result |= {"wasOnList": False, "message": "It was not on the caller's list; nothing changed."}
    return result


def search_failed(error: StoreError) -> Result:
    if error.may_pass:
        return failure(
            "The shop did not answer the search.",
            retry=_IN_A_MOMENT,
            say=f"{SHOP_IS_AWAY} Shall I try again?",
        )
    return failure(
        "The shop refused the search, or its answer was unreadable.",
        retry=_IN_A_MOMENT if error.is_unsettled else _NO_MORE,
        say=f"{SHOP_IS_AWAY} I can't search it for you at the moment.",
    )


def change_failed(change: Change, error: StoreError) -> Result:
    if error.is_unsettled:
        return failure(
            f"The shop did not confirm the request: it may or may not be {_WHERE[change]}.",
            done="unknown",
            retry=AGAIN_IS_SAFE,
            say=f"{SHOP_IS_AWAY} I can't tell whether it worked. Shall I try again?",
        )
    if error.may_pass:
        return failure(
            f"The shop could not be reached: nothing was {change}.",
            retry=_IN_A_MOMENT,
            say=f"{SHOP_IS_AWAY} Nothing was {change}. Shall I try again?",
        )
    return failure(
        f"The shop refused the request: nothing was {change}.",
        retry=_NO_MORE,
        say=f"The shop does not let me do that in this call. Nothing was {change}.",
    )


def unknown_product(number: int) -> Result:
    return failure(
        f"There is no product number {number}. Nothing was changed.",
        retry=_AFTER_THE_CALLER,
        say=f"There is no product number {number}. Which number do you mean?",
    )


def no_number() -> Result:
    return failure(
        f"productNumber must be a whole number from 1 to {MAX_PRODUCT_NUMBER}. Nothing was changed.",
        retry="With the number that search_products gave, or the one that the caller names.",
        say="Which product number do you mean?",
    )


def no_query() -> Result:
    return failure(
        "query is empty. Nothing was searched.", retry=_AFTER_THE_CALLER, say="What are you looking for?"
    )


def not_text(name: str) -> Result:
    return failure(
        f"{name} must be a text. Nothing was searched.",
        retry="At once, with a text, or without it if the caller did not mention one.",
        say="One moment, please.",
    )


def search_unfinished(seconds: float) -> Result:
    return failure(
        f"The search did not finish within {seconds:g} seconds.",
        retry=_IN_A_MOMENT,
        say=f"{SHOP_IS_AWAY} Shall I try again?",
    )


def change_unfinished(seconds: float) -> Result:
    return failure(
        f"The request is not finished after {seconds:g} seconds, but goes on. A message follows when it is.",
        done="unknown",
        retry="No: wait for the message.",
        say="That takes longer than usual. I will know in a moment whether it worked.",
    )


def late(change: Change, number: int, result: Result) -> str:
    """Return the note by which the model learns how a change ended after its call was cut off."""
    if "error" in result:
        outcome = f"has failed. {result['error']} Retry: {result['retry']}"
    elif "message" in result:
        outcome = f"has ended. {result['message']} Don't request it again."
    else:
        outcome = f"has succeeded: it is {_WHERE[change]}. Don't request it again."
    return (
        "(A note from the shop, which the caller doesn't hear. Your earlier request for product number "
        f"{number} was cut off, but {outcome} Mention it when it matters.)"
    )


def _searched(wanted: Wanted) -> Result:
    return {"query": wanted.words, "category": wanted.category, "priceRange": wanted.price_range}


def _nothing_found(wanted: Wanted) -> str:
    within = f" in the category '{wanted.category}'" if wanted.category else ""
    priced = f", priced '{wanted.price_range}'" if wanted.price_range else ""
    hints = ["another word for it, or a more general one"]
    if wanted.category:
        hints.insert(0, "without the category")
    if wanted.price_range:
        hints.insert(0, "without the price range, or a wider one")
    unclear = ""
    if wanted.price_range and not _AMOUNT.search(wanted.price_range):
        unclear = " The shop understands a price range best as 'under $100', 'over 20' or '$50-$150'."
    return (
        f"Nothing was found for '{wanted.words}'{within}{priced}. Try {'; or '.join(hints)}.{unclear} "
        "The same search again finds the same."
    )


def _within_limit(products: Sequence[Product], total: int | None) -> Result:
    """Return as many of the first products as fit."""
    shown = [asdict(product) for product in products]
    while len(json.dumps(result := {"products": shown, "total": total})) > MAX_RESULT_BYTES:
        shown = shown[:-1]
    return result
