"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from opentelemetry.trace import get_current_span
from pydantic import BaseModel, ConfigDict, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from controller.core.errors import ControllerError, InvalidRequest, Unauthorized
from controller.core.limits import LimitName
from controller.core.primitives.validation import describe_errors
from controller.observe.requests import CODE_IN_SCOPE, LIMIT_IN_SCOPE
from controller.web.errors import InternalError, MethodNotAllowed, NotFound
from controller.web.pipecat_cloud_errors import in_its_format, is_pipecat_clouds


class Problem(BaseModel):
    """An RFC 9457 problem document: what went wrong. Fields without a value are left out."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """Always `about:blank`: `code` says what kind of problem it is."""
    title: str
    """The kind of problem in a few words, the same for each problem with its code."""
    status: int
    """The HTTP status."""
    detail: str
    """What went wrong this time and what to do, in a sentence or two for the operator or developer."""
    caller_message: str
    """One sentence that may be shown or read to a caller, without internals."""
    code: str
    """The stable name of the kind of problem, for programs."""
    limit: Annotated[LimitName, WithJsonSchema({"type": "string", "enum": [*LimitName]})] | None = None
    """The limit that a start would have exceeded: `capacity` (of the installation), `user`, `address` (of
    anonymous callers), `agent`, `model_key` or `room_provider`."""


PROBLEM_TYPE: Final = "application/problem+json"

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_OF_THE_FRAMEWORK: Final[dict[int, Callable[[], ControllerError]]] = {
    # FastAPI's status for a body that can't be parsed for a reason other than syntax: depth, UTF-8.
    400: lambda: InvalidRequest("body: this is not valid JSON."),
    404: NotFound,
}


async def answer_error(request: Request, error: Exception) -> Response:
    """Handle every error: whatever was raised becomes a problem document."""
    form = in_its_format if is_pipecat_clouds(request.url.path) else document_of
    match error:
        case ControllerError():
            return problem(error, form=form)
        case RequestValidationError():
            return problem(InvalidRequest(describe_errors(error.errors())), form=form)
        case ClientDisconnect():
            # The client is gone; 499 is nginx's status for this.
            return Response(status_code=499)
        case HTTPException(status_code=405):
            methods = _methods_at(request)
            allow = {"Allow": ", ".join(methods)} if methods else error.headers
            return problem(MethodNotAllowed(), allow, form=form)
        case HTTPException():
            return problem(_OF_THE_FRAMEWORK.get(error.status_code, InternalError)(), form=form)
        case _:
            return problem(InternalError(), form=form)


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


class _ProblemDocument(JSONResponse):
    """Passes its code and limit to the middleware around it: see CODE_IN_SCOPE."""

    code: str
    limit: LimitName | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[CODE_IN_SCOPE], scope[LIMIT_IN_SCOPE] = self.code, self.limit
        get_current_span().set_attribute(CODE_IN_SCOPE, self.code)
        await super().__call__(scope, receive, send)


def document_of(error: ControllerError) -> dict[str, Any]:
    """Return an error as a problem document."""
    document = Problem(
        type="about:blank",
        title=error.title,
        status=error.status,
        detail=error.detail,
        caller_message=error.caller_message,
        code=error.code,
        limit=error.limit,
    )
    return document.model_dump(exclude_none=True)


def problem(
    error: ControllerError,
    more_headers: Mapping[str, str] | None = None,
    form: Callable[[ControllerError], dict[str, Any]] = document_of,
) -> Response:
    headers = dict(more_headers or {})
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    media_type = PROBLEM_TYPE if form is document_of else "application/json"
    document = _ProblemDocument(form(error), error.status, headers=headers, media_type=media_type)
    document.code, document.limit = error.code, error.limit
    return document
