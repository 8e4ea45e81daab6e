"""The model that bots use. The controller locks a bot's token to it."""

from typing import Final

GEMINI_MODEL: Final = "models/gemini-3.8-live"
