"""The product tools that the model calls: search, save and remove."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any, Final, Self

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from bot.store import Product, ProductUnknown, Store, StoreError

Announce = Callable[[dict[str, Any]], Awaitable[None]]
Result = dict[str, Any]

MAX_PRODUCT_NUMBER: Final = 999_999
MAX_QUERY_CHARACTERS: Final = 300

_DIGITS: Final = re.compile(r"([0-9]{1,9})(\.0+)?")
_NUMBER: Final = {
    "productNumber": {
        "type": "integer",
        "description": "The product's number, as search_products gave it.",
    }
}
_CUT_OFF: Final = "If the result is CANCELLED, it may have been done all the same: doing it again is safe."

UNAVAILABLE: Final = "The shop is not answering right now. Say so, and offer to try again in a moment."
UNSETTLED: Final = (
    "The shop is not answering right now. Say that you cannot tell whether it worked, and offer to try again."
)
NO_NUMBER: Final = "That is no product number. Ask the caller for the number of the product."
NO_QUERY: Final = "There is nothing to search for. Ask the caller what they are looking for."


class ProductTools:
    """The tools of one call, for one user.

    A save or removal that has begun is finished even if the caller interrupts: this object owns it, not the
    function call, and leaving the `async with` waits for it. Changes run one at a time, in the order
    requested, so that a repeated request can't undo a later one.
    """

    def __init__(self, store: Store, user_id: str, announce: Announce, *, finish_within: float = 5.0) -> None:
        """`announce` takes messages for the page; `finish_within` is in seconds."""
        self._store = store
        self._user_id = user_id
        self._announce = announce
        self._finish_within = finish_within
        self._one_at_a_time = asyncio.Lock()
        self._changes: set[asyncio.Task[Result]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._changes:
            return
        _done, unfinished = await asyncio.wait(self._changes, timeout=self._finish_within)
        for change in unfinished:
            change.cancel()
        if unfinished:
            logger.warning("changes not finished at the end of the call", count=len(unfinished))
            await asyncio.wait(unfinished)

    @property
    def functions(self) -> list[FunctionSchema]:
        """Return the tools as declared to the model, each with its handler."""
        return [
            FunctionSchema(
                name="search_products",
                description="Search the shop's catalogue.",
                properties={
                    "query": {"type": "string", "description": "What to look for, in a few words."},
                    "category": {"type": "string", "description": "A category to stay within."},
                    "priceRange": {
                        "type": "string",
                        "description": "Prices to stay within, as 'under $100', 'over 20' or '$50-$150'.",
                    },
                },
                required=["query"],
                handler=self.search_products,
            ),
            FunctionSchema(
                name="save_product",
                description=f"Save a product to the caller's list. {_CUT_OFF}",
                properties=_NUMBER,
                required=["productNumber"],
                handler=self.save_product,
            ),
            FunctionSchema(
                name="remove_product",
                description=f"Take a product off the caller's list. {_CUT_OFF}",
                properties=_NUMBER,
                required=["productNumber"],
                handler=self.remove_product,
            ),
        ]

    async def search_products(self, params: FunctionCallParams) -> None:
        await params.result_callback(await self._search(params.arguments))

    async def save_product(self, params: FunctionCallParams) -> None:
        number = product_number(params.arguments.get("productNumber"))
        result = {"error": NO_NUMBER} if number is None else await self._finish(self._save(number))
        await params.result_callback(result)

    async def remove_product(self, params: FunctionCallParams) -> None:
        number = product_number(params.arguments.get("productNumber"))
        result = {"error": NO_NUMBER} if number is None else await self._finish(self._remove(number))
        await params.result_callback(result)

    async def _search(self, arguments: Mapping[str, Any]) -> Result:
        query = _text(arguments.get("query"))
        if query is None:
            return {"error": NO_QUERY}
        category, price_range = _text(arguments.get("category")), _text(arguments.get("priceRange"))
        try:
            found = await self._store.search(query, category, price_range)
        except StoreError as error:
            logger.warning("search failed", problem=str(error))
            return {"error": UNAVAILABLE}
        result = {"products": [_shown(product) for product in found.products], "total": found.total}
        await self._announce({"type": "products_found", "query": query, **result})
        return result

    async def _save(self, number: int) -> Result:
        return await self._change(self._store.save, number, "saved")

    async def _remove(self, number: int) -> Result:
        return await self._change(self._store.remove, number, "removed")

    async def _change(
        self, change: Callable[[str, int], Awaitable[Product | None]], number: int, done: str
    ) -> Result:
        async with self._one_at_a_time:
            try:
                product = await change(self._user_id, number)
            except ProductUnknown:
                return {"error": f"There is no product number {number}. Ask the caller for the number."}
            except StoreError as error:
                logger.warning("change failed", change=done, problem=str(error))
                return {"error": UNSETTLED}
        shown = _shown(product) if product else None
        await self._announce({"type": f"product_{done}", "number": number, "product": shown})
        return {done: shown or {"number": number}}

    async def _finish(self, change: Coroutine[Any, Any, Result]) -> Result:
        """Await the change in a separate task, which keeps running if the function call is cancelled."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)


def product_number(value: object) -> int | None:
    """Return the number that a model means, or None: 2, 2.0 and "2" are 2."""
    if isinstance(value, str):
        digits = _DIGITS.fullmatch(value.strip())
        value = int(digits[1]) if digits else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 1 <= value <= MAX_PRODUCT_NUMBER else None


def _text(value: object) -> str | None:
    """Return the model's text, cut to length, or None if there is none."""
    return value.strip()[:MAX_QUERY_CHARACTERS] or None if isinstance(value, str) else None


def _shown(product: Product) -> dict[str, Any]:
    return asdict(product)
