"""The controller's settings, one module for each thing that they configure."""

from controller.settings.settings import BOTS_PORT, Settings

__all__ = ["BOTS_PORT", "Settings"]
