"""How many tokens a text is."""

from __future__ import annotations

from typing import Final

CHARACTERS_PER_TEXT_TOKEN: Final = 4
"""A token is about four characters: ai.google.dev/gemini-api/docs/tokens; platform.openai.com/tokenizer."""


def text_tokens(text: str) -> int:
    """Tokens of a text, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TEXT_TOKEN)
