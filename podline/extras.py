"""Modules that only an extra of Pipecat installs. Without them, podline can still be imported."""

from abc import ABCMeta
from importlib import import_module
from typing import Any

from podline.errors import ConfigInvalid


def optional(extra: str, module: str) -> Any:
    """Return a module, or a stand-in if the extra of Pipecat that installs it is missing.

    Whatever a stand-in contains can be subclassed, caught and used in annotations. Calling it raises
    `ConfigInvalid`, which names the extra to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        return _Missing("Missing", (Exception,), {"extra": extra, "why": str(error)})


def require(module: Any) -> None:
    """Check that a module of an extra is there.

    Raises:
        ConfigInvalid: The extra that installs it is missing.
    """
    if isinstance(module, _Missing):
        module()


class _Missing(ABCMeta):
    """The class of all stand-ins: an ABCMeta, as Pipecat's services have, so that both can be bases."""

    extra: str
    why: str

    def __call__(cls, *_: object, **__: object) -> Any:
        raise ConfigInvalid(
            f"A package is not installed ({cls.why}): add pipecat-ai[{cls.extra}] to the bot's image."
        )

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls
