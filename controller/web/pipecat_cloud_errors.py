"""Errors in Pipecat Cloud's format: `{error, code}`."""

from __future__ import annotations

from typing import Any, Final

from controller.core.errors import ControllerError, Unauthorized

_PREFIXES: Final = ("/v1/organizations", "/v1/users", "/v1/public/", "/auth/")


def is_pipecat_clouds(path: str) -> bool:
    """Return whether a path is one of Pipecat Cloud's API."""
    return path.startswith(_PREFIXES)


def in_its_format(error: ControllerError) -> dict[str, Any]:
    """Return an error as Pipecat Cloud's clients read it.

    Its command line compares `code` with 401, and asks again after a code of three digits from 500 on.
    """
    is_told_by_status = isinstance(error, Unauthorized) or (
        error.retry_after is not None and error.status >= 500
    )
    return {"error": error.detail, "code": str(error.status) if is_told_by_status else error.code}
