"""The controller's settings as a test or a bench writes them."""

from __future__ import annotations

from controller.settings import Settings


def settings_of(**values: object) -> Settings:
    """Read these values as if they alone were the environment; `capacity` stands for PODLINE_CAPACITY."""
    return Settings.read(
        {name if name.isupper() else f"PODLINE_{name.upper()}": value for name, value in values.items()}
    )
