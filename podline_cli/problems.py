"""A controller's refusals and absences, as a sentence with the next step and an exit code."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

import httpx

from podline.contract.text import printable
from podline_cli.errors import CommandError, ExitCode
from podline_cli.target import KEY_VARIABLE, ChosenController
from podline_cli.urls import is_loopback

_CODES: Final[dict[int, ExitCode]] = {
    HTTPStatus.UNAUTHORIZED: ExitCode.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: ExitCode.NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
}
_UNKNOWN_OPERATION: Final = ("not_found", "method_not_allowed")
_MOST_OF_A_SENTENCE: Final = 2000


class RefusedError(CommandError):
    """The controller refused a request.

    Attributes:
        status: the HTTP status.
        problem: the stable code, or the status where Pipecat Cloud's clients read that.
    """

    def __init__(self, sentence: str, *, code: int, status: int, problem: str) -> None:
        super().__init__(sentence, code=code)
        self.status = status
        self.problem = problem


def error_of(response: httpx.Response, content: bytes, target: ChosenController) -> CommandError:
    """Return the error for an answer that is no success."""
    if response.is_redirect:
        where = printable(response.headers.get("location", ""), 200)
        return CommandError(
            f"{target.url} redirects to {where}, and a key is never sent on: if that is your controller, "
            f"use its URL ({_how_to_set(target)}).",
            code=ExitCode.UNREACHABLE,
        )
    problem, detail = _problem(content)
    if not problem:
        return _of_something_else(response, target)
    if problem in _UNKNOWN_OPERATION:
        return CommandError(
            f"The controller at {target.url} ({target.source}) doesn't know this operation: it runs an "
            "earlier release than this command, so upgrade it."
        )
    return RefusedError(
        _sentence(response.status_code, detail, target),
        code=_CODES.get(response.status_code, ExitCode.FAILED),
        status=response.status_code,
        problem=problem,
    )


def unreachable(error: Exception, target: ChosenController) -> CommandError:
    """Return the error for a controller that didn't answer."""
    match error:
        case httpx.TimeoutException():
            what = "didn't answer in time"
        case httpx.ConnectError() if "CERTIFICATE" in str(error):
            what = "has a certificate that is not trusted (SSL_CERT_FILE names another authority)"
        case httpx.ConnectError():
            what = "can't be reached"
        case _:
            what = f"broke off ({printable(str(error), 200) or type(error).__name__})"
    start = "start one (`podline dev`)" if is_loopback(target.url) else "see that it runs"
    return CommandError(
        f"The controller at {target.url} ({target.source}) {what}: {start}, or name another one "
        f"({_how_to_set(target)}).",
        code=ExitCode.UNREACHABLE,
    )


def invalid_answer(target: ChosenController) -> CommandError:
    return CommandError(
        f"{target.url} ({target.source}) doesn't answer as this version's controller does: check the URL, "
        "and install the release of `podline` that the controller runs.",
        code=ExitCode.UNREACHABLE,
    )


def _problem(content: bytes) -> tuple[str, str]:
    """Return code and detail of a problem document, or of `{error, code}`; empty if it is neither.

    The latter is the form of Pipecat Cloud's routes.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    texts = (document.get("code"), document.get("detail") or document.get("title") or document.get("error"))
    code, detail = (printable(text, _MOST_OF_A_SENTENCE) if isinstance(text, str) else "" for text in texts)
    return code, detail


def _sentence(status: int, detail: str, target: ChosenController) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        what = "asks for a key" if target.key is None else "doesn't know this key"
        return f"The controller at {target.url} {what}: set one with {_how_to_set_a_key(target)}."
    if status == HTTPStatus.FORBIDDEN and target.key is not None:
        return f"{detail} This key is not enough: set another one with {_how_to_set_a_key(target)}."
    return detail


def _of_something_else(response: httpx.Response, target: ChosenController) -> CommandError:
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        return CommandError(
            _sentence(response.status_code, "", target),
            code=ExitCode.NOT_ALLOWED,
        )
    return CommandError(
        f"{target.url} ({target.source}) answered {response.status_code} without saying why, as a proxy does "
        f"and a controller doesn't: check the URL ({_how_to_set(target)}).",
        code=ExitCode.UNREACHABLE,
    )


def _how_to_set(target: ChosenController) -> str:
    return f"`podline context set {target.context or 'NAME'} --url URL`"


def _how_to_set_a_key(target: ChosenController) -> str:
    url = "" if target.context else f" --url {target.url}"
    return f"`podline context set {target.context or 'NAME'}{url} --key-stdin`, or in {KEY_VARIABLE}"
