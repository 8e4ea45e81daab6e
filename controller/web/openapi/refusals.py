"""Descriptions of the errors that a route may return."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

from controller.core.errors import ControllerError, RateLimited, Unauthorized
from controller.web.problems import PROBLEM_TYPE

REFERENCE: Final = "#/components/schemas/"
_EXAMPLE: Final = "#/components/examples/"


def refusals(*errors: type[ControllerError]) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may return: each status with the codes it can carry."""
    by_status: dict[int | str, list[type[ControllerError]]] = {}
    # Guesses are rate-limited wherever a bearer token is required.
    guarded = (RateLimited,) if Unauthorized in errors and RateLimited not in errors else ()
    for error in (*errors, *guarded):
        by_status.setdefault(error.status, []).append(error)
    return {status: _described(of_status) for status, of_status in by_status.items()}


def meaning(error: type[ControllerError]) -> str:
    """Return what an error says, as a sentence."""
    return (inspect.getdoc(error) or "").partition("\n")[0]


def _described(errors: Sequence[type[ControllerError]]) -> dict[str, Any]:
    status = errors[0].status
    codes = list(dict.fromkeys(error.code for error in errors))
    answer: dict[str, Any] = {
        "description": "\n".join(f"- `{error.code}`: {meaning(error)}" for error in errors),
        "content": {
            PROBLEM_TYPE: {
                "schema": {
                    "allOf": [{"$ref": f"{REFERENCE}Problem"}],
                    "properties": {"status": {"const": status}, "code": {"enum": codes}},
                },
                "examples": {code: {"$ref": f"{_EXAMPLE}{code}"} for code in codes},
            }
        },
    }
    headers = {}
    if any(error.retry_after is not None for error in errors) or RateLimited in errors:
        headers["Retry-After"] = {
            "description": "Seconds to wait before trying again.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 10,
        }
    if Unauthorized in errors:
        headers["WWW-Authenticate"] = {
            "description": "The scheme of keys and tokens.",
            "schema": {"type": "string", "const": "Bearer"},
            "example": "Bearer",
        }
    return answer | ({"headers": headers} if headers else {})
