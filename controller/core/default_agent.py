"""What a fresh install declares to its metrics: tools, models and services.

They are the shopping assistant's, in `bot/`, and the services of a bot that uses OpenAI's.
"""

from __future__ import annotations

from typing import Final

TOOLS: Final = ("search_products", "save_product", "remove_product", "end_call")
MODELS: Final = ("gemini-3.8-live",)
SERVICES: Final = ("GeminiLiveLLMService", "OpenAISTTService", "OpenAILLMService", "OpenAITTSService")
