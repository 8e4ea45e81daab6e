"""The controller's settings as a test or a bench writes them."""

from __future__ import annotations

from typing import Any

from controller.settings import Settings


def settings_of(**values: Any) -> Settings:
    """Read these values as if from the environment, and no file but the one that `_env_file` names."""
    return Settings(**{"_env_file": None, **values})
