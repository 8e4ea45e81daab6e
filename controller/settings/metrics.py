"""Prices, and the names with their own series in /metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from controller.core import default_agent
from controller.settings.variables import COMMA_SEPARATED, Group, variable

MAX_LABELS: Final = 200
MAX_LABEL_CHARACTERS: Final = 128


def _label(text: str) -> str:
    if not text.isprintable() or len(text) > MAX_LABEL_CHARACTERS:
        raise ValueError(f"a name has at most {MAX_LABEL_CHARACTERS} printable characters")
    return text


Label = Annotated[str, AfterValidator(_label)]


class MetricsSettings(Group):
    """Prices and metrics."""

    prices_file: Path | None = variable(
        "PODLINE_PRICES_FILE",
        "The prices of tokens, transcription and speech: a copy of deploy/prices.example.toml with your "
        "vendors' prices.",
        example="/path/to/prices.toml",
    )
    tools: Annotated[tuple[Label, ...], COMMA_SEPARATED] = variable(
        "PODLINE_TOOLS",
        "Tools with their own series in /metrics, comma-separated; all others are counted as `other`. "
        "List here the tools of a bot other than the shopping assistant.",
        default=default_agent.TOOLS,
        max_length=MAX_LABELS,
    )
    models: Annotated[tuple[Label, ...], COMMA_SEPARATED] = variable(
        "PODLINE_MODELS",
        "Models with their own series, likewise. Those in the price file always have one.",
        default=default_agent.MODELS,
        max_length=MAX_LABELS,
    )
    services: Annotated[tuple[Label, ...], COMMA_SEPARATED] = variable(
        "PODLINE_SERVICES",
        "Services with their own series, likewise, by the names of Pipecat's classes. Those in the price "
        "file always have one.",
        default=default_agent.SERVICES,
        max_length=MAX_LABELS,
    )
