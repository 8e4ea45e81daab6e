"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from opentelemetry.trace import get_current_span
from pydantic import BaseModel, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from controller.core.errors import ControllerError, InvalidRequest, RateLimited, Unauthorized
from controller.core.limits import LimitName
from controller.core.primitives.validation import describe_errors
from controller.observe.requests import CODE_IN_SCOPE, LIMIT_IN_SCOPE
from controller.web.errors import (
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
)


class Problem(BaseModel):
    """What went wrong. `code` is stable, for programs; `detail` says to the operator or developer what to do.

    `caller_message` is one sentence that may be shown or read to a caller, without internals.
    `limit` names the limit that a start would have exceeded.
    """

    type: str
    title: str
    status: int
    detail: str
    caller_message: str
    code: str
    limit: Annotated[LimitName, WithJsonSchema({"type": "string", "enum": [*LimitName]})] | None = None


PROBLEM_TYPE: Final = "application/problem+json"

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_EVERYWHERE: Final = (BodyTooLarge, InternalError)
_REFERENCE: Final = "#/components/schemas/"
_OF_THE_FRAMEWORK: Final[dict[int, Callable[[], ControllerError]]] = {
    # FastAPI's status for a body that can't be parsed for a reason other than syntax: depth, UTF-8.
    400: lambda: InvalidRequest("body: this is not valid JSON."),
    404: NotFound,
}


async def answer_error(request: Request, error: Exception) -> Response:
    """Handle every error: whatever was raised becomes a problem document."""
    match error:
        case ControllerError():
            return problem(error)
        case RequestValidationError():
            return problem(InvalidRequest(describe_errors(error.errors())))
        case ClientDisconnect():
            # The client is gone; 499 is nginx's status for this.
            return Response(status_code=499)
        case HTTPException(status_code=405):
            methods = _methods_at(request)
            return problem(MethodNotAllowed(), {"Allow": ", ".join(methods)} if methods else error.headers)
        case HTTPException():
            return problem(_OF_THE_FRAMEWORK.get(error.status_code, InternalError)())
        case _:
            return problem(InternalError())


def refusals(*errors: type[ControllerError]) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may return: each status with the codes it can carry."""
    by_status: dict[int | str, list[type[ControllerError]]] = {}
    # Guesses are rate-limited wherever a bearer token is required.
    guarded = (RateLimited,) if Unauthorized in errors and RateLimited not in errors else ()
    for error in (*errors, *guarded):
        by_status.setdefault(error.status, []).append(error)
    return {status: _described(of_status) for status, of_status in by_status.items()}


def complete(description: dict[str, Any]) -> dict[str, Any]:
    """Add what all routes share to an OpenAPI document, and remove FastAPI's own error schemas."""
    schemas = description["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    for path in description["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "HTTPValidationError" in str(answers.get("422")):
                del answers["422"]
            answers |= {str(status): answer for status, answer in refusals(*_EVERYWHERE).items()}
    return description


def _methods_at(request: Request) -> list[str]:
    """Return all methods of an address; the framework names only those of its first route there."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _described(errors: Sequence[type[ControllerError]]) -> dict[str, Any]:
    status = errors[0].status
    codes = list(dict.fromkeys(error.code for error in errors))
    answer: dict[str, Any] = {
        "description": " ".join(_summary(error) for error in errors),
        "content": {
            PROBLEM_TYPE: {
                "schema": {
                    "allOf": [{"$ref": f"{_REFERENCE}Problem"}],
                    "properties": {"status": {"const": status}, "code": {"enum": codes}},
                },
                "examples": {error.code: {"value": _example(error)} for error in errors},
            }
        },
    }
    if any(error.retry_after is not None for error in errors):
        answer["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before trying again",
                "schema": {"type": "integer"},
            }
        }
    return answer


def _example(error: type[ControllerError]) -> dict[str, Any]:
    return _body(error, _summary(error))


class _ProblemDocument(JSONResponse):
    """Passes its code and limit to the middleware around it: see CODE_IN_SCOPE."""

    code: str
    limit: LimitName | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[CODE_IN_SCOPE], scope[LIMIT_IN_SCOPE] = self.code, self.limit
        get_current_span().set_attribute(CODE_IN_SCOPE, self.code)
        await super().__call__(scope, receive, send)


def problem(error: ControllerError, more_headers: Mapping[str, str] | None = None) -> Response:
    headers = dict(more_headers or {})
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    body = _body(error, error.detail, error.limit)
    document = _ProblemDocument(body, error.status, headers=headers, media_type=PROBLEM_TYPE)
    document.code, document.limit = error.code, error.limit
    return document


def _body(
    error: ControllerError | type[ControllerError], detail: str, limit: LimitName | None = None
) -> dict[str, Any]:
    document = Problem(
        type="about:blank",
        title=error.title,
        status=error.status,
        detail=detail,
        caller_message=error.caller_message,
        code=error.code,
        limit=limit,
    )
    return document.model_dump(exclude_none=True)


def _summary(error: type[ControllerError]) -> str:
    return (inspect.getdoc(error) or "").partition("\n")[0]
