"""The product tools that the model calls: search, save and remove."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Final, Self

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from bot.store import Changed, ProductUnknown, Store, StoreError
from bot.tools import results
from bot.tools.arguments import NotText, product_number, search_query
from bot.tools.changes import Changes
from bot.tools.results import Change, Result
from podline.frames import ModelNoteFrame

Announce = Callable[[dict[str, Any]], Awaitable[None]]

TOOL_SECONDS: Final = 8.0
"""How long an answer to the model may take. A request to the store takes up to 5 s, and changes queue."""

_NUMBER: Final = {
    "productNumber": {
        "type": "integer",
        "description": "The product's number, as search_products gave it.",
    }
}
_CUT_OFF: Final = "Doing it twice is the same as doing it once."


class ProductTools:
    """The tools of one call, for one user.

    A save or removal that has begun is finished even if the caller interrupts or the model cancels it. The
    page gets the outcome at once, and the model as a note, so that what it says next is true.
    """

    def __init__(
        self,
        store: Store,
        user_id: str,
        announce: Announce,
        *,
        answer_within: float = TOOL_SECONDS,
        finish_within: float = 5.0,
    ) -> None:
        """Make the tools.

        Args:
            store: The product backend.
            user_id: Whose list it is.
            announce: Takes messages for the page.
            answer_within: How many seconds an answer to the model may take.
            finish_within: Seconds that the end of the call waits for changes.
        """
        self._store = store
        self._user_id = user_id
        self._announce = announce
        self._answer_within = answer_within
        self._changes = Changes(finish_within)

    async def __aenter__(self) -> Self:
        await self._changes.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._changes.__aexit__(*error)

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
        try:
            async with asyncio.timeout(self._answer_within):
                result = await self._search(params)
        except TimeoutError:
            result = results.search_unfinished(self._answer_within)
        await params.result_callback(result)

    async def save_product(self, params: FunctionCallParams) -> None:
        await self._answer(params, "saved", self._store.save)

    async def remove_product(self, params: FunctionCallParams) -> None:
        await self._answer(params, "removed", self._store.remove)

    async def _search(self, params: FunctionCallParams) -> Result:
        try:
            wanted = search_query(params.arguments)
        except NotText as error:
            return results.not_text(error.name)
        if wanted.words is None:
            return results.no_query()
        try:
            answer = await self._store.search(wanted.words, wanted.category, wanted.price_range)
        except StoreError as error:
            logger.warning("search failed", problem=str(error))
            return results.search_failed(error)
        result = results.found(wanted, answer)
        shown = {"products": result["products"], "total": result["total"]}
        await self._announce({"type": "products_found", "query": wanted.words, **shown})
        return result

    async def _answer(
        self, params: FunctionCallParams, change: Change, make: Callable[[str, int], Awaitable[Changed]]
    ) -> None:
        number = product_number(params.arguments.get("productNumber"))
        if number is None:
            await params.result_callback(results.no_number())
            return

        async def report(result: Result) -> None:
            await params.llm.queue_frame(ModelNoteFrame.of(results.late(change, number, result)))

        result = await self._changes.make(
            partial(self._change, change, number, make), self._answer_within, report
        )
        await params.result_callback(result or results.change_unfinished(self._answer_within))

    async def _change(
        self, change: Change, number: int, make: Callable[[str, int], Awaitable[Changed]]
    ) -> Result:
        try:
            made = await make(self._user_id, number)
        except ProductUnknown:
            return results.unknown_product(number)
        except StoreError as error:
            logger.warning("change failed", change=change, problem=str(error))
            return results.change_failed(change, error)
        product = asdict(made.product) if made.product else None
        await self._announce({"type": f"product_{change}", "number": number, "product": product})
        return results.changed(change, number, made)
