"""What the shopping assistant of `bot/` uses, by name: what a fresh install declares to its metrics."""

from __future__ import annotations

from typing import Final

TOOLS: Final = ("search_products", "save_product", "remove_product", "end_call")
MODELS: Final = ("gemini-3.8-live",)
