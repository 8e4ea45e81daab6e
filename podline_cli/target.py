"""Which controller a command talks to, and with which key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from podline_cli.contexts import contexts_path, read_contexts
from podline_cli.urls import DEFAULT_URL, checked_key, checked_url

URL_VARIABLE: Final = "PODLINE_URL"
KEY_VARIABLE: Final = "PODLINE_KEY"

VARIABLES: Final = {
    URL_VARIABLE: "The controller's URL, instead of the context in use. No key of a context is sent to it.",
    KEY_VARIABLE: "The key, instead of the one in the context in use.",
    "XDG_CONFIG_HOME": "Where the directory `podline` with the contexts is; by default `~/.config`.",
    "NO_COLOR": "Set to anything, turns colours off.",
}
"""What each variable that the command line reads is for."""


@dataclass(frozen=True)
class ChosenController:
    """A controller.

    Attributes:
        url: where it is.
        key: what it is sent as the bearer, if anything.
        source: what names it, such as `the context prod`.
        context: the name of the context; None if no context names it.
    """

    url: str
    key: str | None = field(repr=False)
    source: str
    context: str | None = None


def choose_target(name: str | None, variables: Mapping[str, str]) -> ChosenController:
    """Return the context of this name; without a name what the variables say, else the context in use.

    The key of a context goes only where that context points: a URL from a variable doesn't get it.
    """
    if name is not None:
        context = read_contexts(contexts_path(variables)).named(name)
        return ChosenController(context.url, context.key, f"the context {name}", name)
    key = checked_key(variables[KEY_VARIABLE]) if variables.get(KEY_VARIABLE) else None
    if variables.get(URL_VARIABLE):
        return ChosenController(checked_url(variables[URL_VARIABLE]), key, URL_VARIABLE)
    contexts = read_contexts(contexts_path(variables))
    if contexts.current is None:
        return ChosenController(DEFAULT_URL, key, "the default, without a context")
    context = contexts.named(contexts.current)
    return ChosenController(
        context.url, key or context.key, f"the context {contexts.current}", contexts.current
    )
