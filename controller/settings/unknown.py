"""Variables with our prefix that nothing reads, most likely typos."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import SecretStr

from controller.settings.settings import Settings
from controller.settings.variables import PREFIX
from podline.contract import environment

_OF_SCRIPTS: Final = frozenset(
    {
        "PODLINE_BASE_IMAGE",
        "PODLINE_IMAGE_TOOL",
        "PODLINE_NODE_IMAGE",
        "PODLINE_PROMETHEUS_PORT",
        "PODLINE_TEST_KUBECONFIG",
        "PODLINE_CHAOS_SEED",
        "PODLINE_CHAOS_SESSIONS",
        "PODLINE_COUNTED_CALLS",
        "PODLINE_COUNTED_SEED",
        "PODLINE_FAULT_SEED",
        "PODLINE_ROOM_CALLS",
        "PODLINE_SOAK_SEED",
        "PODLINE_SOAK_SESSIONS",
    }
)
"""Variables of the commands in scripts/ and of long tests."""

_OF_OTHER_PROGRAMS: Final = frozenset({"PODLINE_API_KEY", "PODLINE_STORE_SECRETS"})
"""Variables of a web app and of a product store, which may share an environment with the controller."""

_OF_THE_COMMAND_LINE: Final = frozenset({"PODLINE_KEY", "PODLINE_URL"})
"""Variables of `podline`'s other commands, which a person may have set where `podline serve` is started."""

_LINKED: Final = re.compile(
    r"(?P<link>PODLINE(_[A-Z0-9_]+?)?)"
    r"_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""Set by Kubernetes for each Service, and by Docker for each link, whose name begins with podline."""

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*|[a-z][a-z0-9_]*")
_MOST_CHARACTERS: Final = 64


def unknown_variables(variables: Mapping[str, object]) -> list[str]:
    """Name each variable that begins like ours and that nothing reads, and suggest the closest real one.

    Values are never part of a sentence; neither are names that may contain one, as
    `PODLINE_SECRETabc...` does if the `=` is missing.

    Args:
        variables: by name; the value None stands for a line of a file without `=`.
    """
    settings = {each.upper() for each in _settings()}
    read = _of_bots() | _OF_SCRIPTS | _OF_OTHER_PROGRAMS | _OF_THE_COMMAND_LINE
    links = _links(variables)
    return [
        _sentence(name, has_value=value is not None, known=settings | read)
        for name, value in variables.items()
        if name.upper().startswith(PREFIX)
        and (value is None or (name.upper() not in settings and name not in read))
        and not _is_linked(name, links)
    ]


def _settings() -> set[str]:
    return set(_annotations())


def _of_bots() -> set[str]:
    """Return those that the controller passes on to bots unchanged."""
    return {name for name in environment.SHARED if name.startswith(PREFIX)}


def _secrets() -> set[str]:
    own = {name for name, annotation in _annotations().items() if SecretStr.__name__ in str(annotation)}
    return {name for name in own | set(environment.SECRETS) | _OF_OTHER_PROGRAMS if name.startswith(PREFIX)}


def _annotations() -> dict[str, object]:
    """Return the type of each setting by the name of its variable."""
    fields = (field for group in Settings.groups() for field in group.model_fields.values())
    return {field.alias: field.annotation for field in fields if field.alias is not None}


def _links(names: Iterable[str]) -> set[str]:
    return {found["link"] for name in names if (found := _LINKED.fullmatch(name))}


def _is_linked(name: str, links: set[str]) -> bool:
    return _LINKED.fullmatch(name) is not None or any(
        name in (f"{link}_PORT", f"{link}_NAME") or name.startswith(f"{link}_ENV_") for link in links
    )


def _sentence(name: str, *, has_value: bool, known: set[str]) -> str:
    if not has_value:
        return f"a line of .env that begins with {PREFIX} has no `=`"
    shown = _shown(name)
    by_end = {each.removeprefix(PREFIX): each for each in known}
    closest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), by_end, n=1)
    suggestion = f"; did you mean {by_end[closest[0]]}?" if closest else ""
    return f"{shown} is not a setting{suggestion}"


def _shown(name: str) -> str:
    """Return the name, cut off where a value may begin."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        if name.upper().startswith(secret) and len(name) > len(secret) + 1:
            return f"{secret}..."
    return name if _NAME.fullmatch(name) and len(name) <= _MOST_CHARACTERS else f"{PREFIX}..."
