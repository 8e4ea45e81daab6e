"""The shopping assistant's own settings. Read before anything heavy loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from podline.contract import environment as env
from podline.variables import HttpUrl, Text, given, read_variables

TOOL_TIMEOUT_SECONDS: Final = 10.0

_FORMER_API_KEY: Final = "GEMINI_API_KEY"


def _convex_site(url: str) -> str:
    if (urlsplit(url).hostname or "").endswith(".convex.cloud"):
        raise ValueError(
            "is the deployment's .convex.cloud address, "
            "but its HTTP actions are served on the one that ends in .convex.site"
        )
    return url


@dataclass(frozen=True, kw_only=True)
class ShoppingSettings:
    """The shopping assistant's settings.

    Attributes:
        stop_secs: Silence that ends a turn, in seconds, as in Pipecat's `VADParams`.
        persona: The persona's file; None for the default one.
    """

    google_api_key: Annotated[Text, Field(alias=env.GOOGLE_API_KEY)] = field(repr=False)
    convex_url: Annotated[HttpUrl, AfterValidator(_convex_site), Field(alias=env.CONVEX_URL)]
    convex_token: Annotated[Text | None, Field(alias=env.CONVEX_TOKEN)] = field(default=None, repr=False)
    stop_secs: Annotated[float, Field(ge=0.1, le=5, allow_inf_nan=False, alias=env.STOP_SECS)] = 0.5
    persona: Annotated[Path | None, Field(alias=env.PERSONA)] = None


def read_settings(environment: Mapping[str, str]) -> ShoppingSettings:
    """Read and check the bot's variables.

    Raises:
        WrongVariables: One is missing or malformed; one line names each and contains no secret.
    """
    variables = given(environment)
    hints = {}
    if _FORMER_API_KEY in variables:
        hints[env.GOOGLE_API_KEY] = f"{_FORMER_API_KEY} is set: rename it to {env.GOOGLE_API_KEY}"
    return read_variables(ShoppingSettings, variables, hints)
