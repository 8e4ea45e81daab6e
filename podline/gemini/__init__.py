"""Pipecat's Gemini Live service, hardened.

A bot imports from here instead of `pipecat.services.google.gemini_live.llm`, and changes nothing else.
"""

from typing import TYPE_CHECKING

from podline.extras import optional
from podline.gemini.service import GeminiLiveLLMService

if TYPE_CHECKING:
    from google.genai.types import HttpOptions
    from pipecat.services.google.gemini_live.llm import (
        ContextWindowCompressionParams,
        GeminiLiveLLMSettings,
        GeminiMediaResolution,
        GeminiModalities,
        GeminiVADParams,
        InputParams,
        language_to_gemini_language,
    )
else:
    _pipecat = optional("google", "pipecat.services.google.gemini_live.llm")
    ContextWindowCompressionParams = _pipecat.ContextWindowCompressionParams
    GeminiLiveLLMSettings = _pipecat.GeminiLiveLLMSettings
    GeminiMediaResolution = _pipecat.GeminiMediaResolution
    GeminiModalities = _pipecat.GeminiModalities
    GeminiVADParams = _pipecat.GeminiVADParams
    HttpOptions = _pipecat.HttpOptions
    InputParams = _pipecat.InputParams
    language_to_gemini_language = _pipecat.language_to_gemini_language

__all__ = [
    "ContextWindowCompressionParams",
    "GeminiLiveLLMService",
    "GeminiLiveLLMSettings",
    "GeminiMediaResolution",
    "GeminiModalities",
    "GeminiVADParams",
    "HttpOptions",
    "InputParams",
    "language_to_gemini_language",
]
