"""The tools and models of the shopping assistant in `bot/`, which a fresh install declares to its metrics."""

from __future__ import annotations

from typing import Final

TOOLS: Final = ("search_products", "save_product", "remove_product", "end_call")
MODELS: Final = ("gemini-3.8-live",)
