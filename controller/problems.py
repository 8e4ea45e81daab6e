"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from controller.errors import ControllerError, InvalidRequest, Unauthorized


class Problem(BaseModel):
    """What went wrong: `code` is for programs and stable, `detail` tells a person what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str


PROBLEM_TYPE: Final = "application/problem+json"

_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}

_OF_THE_FRAMEWORK: Final = {
    404: ("not_found", "There is nothing at this address. The API is described at /openapi.json."),
    405: (
        "method_not_allowed",
        "This address does not know that method. The Allow header lists those it does.",
    ),
}


async def answer_error(_: Request, error: Exception) -> Response:
    """The one error handler: whatever was raised becomes a problem document."""
    match error:
        case ControllerError():
            return problem(error)
        case RequestValidationError():
            return problem(InvalidRequest(sentence(error.errors())))
        case ClientDisconnect():
            # Nobody reads it; 499 is what nginx calls this.
            return Response(status_code=499)
        case HTTPException():
            code, detail = _OF_THE_FRAMEWORK.get(error.status_code, ("invalid_request", error.detail))
            return _document(error.status_code, str(error.detail), detail, code, error.headers)
        case _:
            detail = "The controller failed. Its log holds the details."
            return _document(500, "Internal error", detail, "internal_error", None)


def describe_problems(description: dict[str, Any]) -> dict[str, Any]:
    """Say in an OpenAPI document that errors are problem documents; FastAPI gives them a success's type."""
    for path in description["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                for kind in [kind for kind in content if content[kind].get("schema") == _REFERENCE]:
                    content[PROBLEM_TYPE] = content.pop(kind)
    return description


def problem(error: ControllerError) -> Response:
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return _document(error.status, error.title, error.detail, error.code, headers)


def sentence(errors: Sequence[Any], root: int = 1) -> str:
    """Say what is wrong, field by field, without repeating what was sent.

    Args:
        errors: as pydantic lists them.
        root: how many steps lead to where the fields begin: one into a body or a query.
    """
    return "; ".join(f"{_place(each['loc'], root)}{_cause(each)}" for each in errors) + "."


def _place(location: Sequence[int | str], root: int) -> str:
    """A field by its path; the body itself, and a place inside broken JSON, by that name."""
    path = ".".join(str(each) for each in location[root:] if not isinstance(each, int))
    name = path or "".join(map(str, location[:1]))
    return f"{name}: " if name else ""


def _cause(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "this is not valid JSON"
    return str(error["msg"]).removeprefix("Value error, ").rstrip(".")


def _document(status: int, title: str, detail: str, code: str, headers: Any) -> Response:
    document = Problem(type="about:blank", title=title, status=status, detail=detail, code=code)
    return JSONResponse(document.model_dump(), status, headers=headers, media_type=PROBLEM_TYPE)
