"""Errors of requests to the API server.

* ApiError           has a sentence for an operator
  - ApiRefused       the API server's own answer, with its status
  - ApiUnreachable   there was none, or none that can be read, or this controller may not ask
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

_FORBIDDEN: Final = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[\w/]+)" in API group "(?P<group>[\w.]*)"'
)

_DENIED: Final = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']+' denied request: (?P<rule>.+)",
    re.DOTALL,
)
_WITHOUT_PARAMETERS: Final = "no params found for policy binding"


class ApiError(Exception):
    """A request to the API server came to nothing.

    Attributes:
        is_certain: whether it is certain that the request had no effect.
        may_pass: whether the same request may succeed later.
        retry_after: seconds that the API server asks us to wait, if it does.
    """

    is_certain: bool
    may_pass: bool
    retry_after: float | None = None


class ApiRefused(ApiError):  # noqa: N818 - named for what happened
    """The API server answered with an error."""

    def __init__(
        self, status: int, reason: str | None, message: str, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.reason = reason or ""
        self.message = message
        self.retry_after = retry_after
        # A 409 is a name that is taken, or a conflict between two writes to an object or a quota.
        self.may_pass = status == 429 or status >= 500 or (status == 409 and not self.is_taken)
        # A 429 was not processed. What a 5xx led to can only be read from the object.
        self.is_certain = status < 500
        super().__init__(_in_words(status, message))

    @property
    def is_taken(self) -> bool:
        """Whether an object of this name exists already."""
        return self.reason == "AlreadyExists"

    @property
    def is_conflict(self) -> bool:
        """Whether the object is not of the version, or not the one, that the request was made for."""
        return self.reason == "Conflict"

    @property
    def is_quota(self) -> bool:
        """Whether a ResourceQuota of the namespace is used up."""
        return self.status == 403 and "exceeded quota" in self.message


class ApiUnreachable(ApiError):  # noqa: N818 - likewise
    """No connection, a connection that broke, no answer in time, or a write by one who isn't the leader."""

    may_pass = True

    def __init__(self, message: str, *, is_certain: bool) -> None:
        self.is_certain = is_certain
        super().__init__(message)


class ConfigurationInvalid(Exception):  # noqa: N818 - named for what happened
    """The kubeconfig, service account or Job template can't be used; the sentence says why."""


@contextmanager
def readable() -> Iterator[None]:
    """Treat an answer that can't be decoded as no answer.

    Raises:
        ApiUnreachable: it is malformed, not UTF-8, or nested too deeply.
    """
    try:
        yield
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = type(error).__name__ if isinstance(error, UnicodeDecodeError) else str(error)
        raise ApiUnreachable(f"The API server's answer can't be read: {what}.", is_certain=False) from error


def _in_words(status: int, message: str) -> str:
    """Return the API server's message, or the missing permission or denying policy and what to do."""
    missing = _FORBIDDEN.search(message) if status == 403 else None
    if missing is not None:
        group = f" of {missing['group']}" if missing["group"] else ""
        return (
            f"The controller may not {missing['verb']} {missing['resource']}{group}: "
            f"add `{missing['verb']}` on `{missing['resource']}` to its Role."
        )
    denied = _DENIED.search(message)
    if denied is not None:
        return _denied_in_words(denied["policy"], denied["rule"])
    if status == 401:
        return "The API server does not accept the controller's credentials (401). Renew them."
    return f"The API server answered {status}: {message.rstrip('.')}."


def _denied_in_words(policy: str, rule: str) -> str:
    """Name the policy and its rule. The rules in deploy/components/admission say what to change."""
    if _WITHOUT_PARAMETERS in rule:
        return (
            f"The admission policy {policy} has no parameters in the namespace: create the ConfigMap "
            "podline-admission there, as deploy/components/admission has it."
        )
    return f"The admission policy {policy} denied it: {rule.rstrip('.')}."
