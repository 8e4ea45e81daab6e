"""Errors in Pipecat Cloud's format: `{error, code}`."""

from __future__ import annotations

import re
from typing import Any, Final

from controller.core.errors import ControllerError, Unauthorized

_MARKUP: Final = re.compile(r"\[(?=[a-z#/@])")
_PREFIXES: Final = ("/v1/organizations", "/v1/users", "/v1/public/", "/auth/")


def is_pipecat_clouds(path: str) -> bool:
    """Return whether a path is one of Pipecat Cloud's API."""
    return path.startswith(_PREFIXES)


def without_markup(sentence: str) -> str:
    """Return a sentence as Pipecat Cloud's command line prints it whole.

    It takes `[word` for the beginning of a style, which it swallows, or fails if it knows none such. TOML and
    lists of Python allow a space there.
    """
    return _MARKUP.sub("[ ", sentence)


def in_its_format(error: ControllerError) -> dict[str, Any]:
    """Return an error as Pipecat Cloud's clients read it.

    Its command line compares `code` with 401, and asks again after a code of three digits from 500 on.
    """
    is_told_by_status = isinstance(error, Unauthorized) or (
        error.retry_after is not None and error.status >= 500
    )
    return {
        "error": without_markup(error.detail),
        "code": str(error.status) if is_told_by_status else error.code,
    }
