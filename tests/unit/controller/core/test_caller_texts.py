"""What callers read about errors and endings: one plain sentence, without anything from inside."""

import re
from collections.abc import Iterator

import pytest

from controller.core.endings import ending_for
from controller.core.errors import ControllerError, SessionEnded, UserLimitReached
from controller.web import errors as errors_of_http
from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import Reason
from podline.runner.attachment import SOMETHING_FAILED

_INTERNAL = (
    # Parts of the system, and what only operators and developers know.
    *("agent", "api", "bot", "browser", "cluster", "config", "container", "controller", "cors", "credential"),
    *("daily", "gemini", "google", "header", "host", "http", "image", "job", "json", "key", "kubernetes"),
    *("livekit", "log", "memory", "model", "node", "operator", "origin", "pipecat", "pipeline", "pod"),
    *("podline", "process", "provider", "quota", "request", "runtime", "secret", "server", "session"),
    *("setting", "timeout", "token", "url", "variable", "webrtc"),
)
_FROM_INSIDE = re.compile(
    r"\b(?:" + "|".join(_INTERNAL) + r")s?\b"
    r"|[a-z]+[_/.][a-z]"  # a name in code, a path, a host
    r"|\b[A-Z]{2,}|[a-z][A-Z]|[`{}<>=~@#$\d]",  # a variable, a class, markup, a code
)


def _errors(base: type[ControllerError] = ControllerError) -> Iterator[type[ControllerError]]:
    for each in base.__subclasses__():
        yield each
        yield from _errors(each)


ERRORS = {each.__name__: each.caller_message for each in _errors()}


def breaches(text: str) -> list[str]:
    """Return what keeps a text from being shown or read to a caller."""
    found = [f"says {match.group()!r}" for match in _FROM_INSIDE.finditer(text.lower())]
    found += [f"says {match.group()!r}" for match in _FROM_INSIDE.finditer(text)]
    if not re.fullmatch(r"[A-Z][^.!?]*\.", text):
        found.append("is not one sentence")
    if not re.search(r"\b(please|you can)\b", text):
        found.append("does not say what the caller can do")
    return found


def test_every_error_has_a_text_for_the_caller() -> None:
    """The walk finds errors of both modules."""
    assert {errors_of_http.InternalError.__name__, SessionEnded.__name__} <= ERRORS.keys()
    assert {name: breaches(text) for name, text in ERRORS.items() if breaches(text)} == {}


def test_every_reason_has_texts_for_both() -> None:
    assert TEXTS.keys() == set(Reason)
    assert {
        reason: breaches(texts.to_caller) for reason, texts in TEXTS.items() if breaches(texts.to_caller)
    } == {}
    assert [reason for reason, texts in TEXTS.items() if reason.phase == "failed" and not texts.advice] == []


def test_texts_that_depend_on_the_case_are_for_callers_too() -> None:
    """A session's end speaks for itself; callers without a name share a limit with their network."""
    ending = ending_for(Reason.IDLE)
    ended, shared = SessionEnded.by(ending), UserLimitReached.by_address(2)

    assert ended.caller_message == ending.caller_message
    assert shared.caller_message != UserLimitReached.caller_message
    assert breaches(shared.caller_message) == []


def test_bots_tell_callers_nothing_from_inside() -> None:
    """RTVI errors reach the caller's page without passing the controller."""
    assert _FROM_INSIDE.search(SOMETHING_FAILED) is None


@pytest.mark.parametrize(
    "text",
    [
        "All slots are in use; please raise PODLINE_CAPACITY.",
        "Please check the network between you and 10.0.0.7.",
        "The pod is gone; please call again.",
        "Please read bot.py again.",
        "You can blame the WorkerRunner.",
        "Please call again. And again.",
        "The call is over.",
    ],
)
def test_the_rules_find_what_is_from_inside(text: str) -> None:
    assert breaches(text)
