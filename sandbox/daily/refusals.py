"""What Daily answers when it does not do what is asked: a stable `error`, and `info` for a person.

https://docs.daily.co/docs/rest-api/errors
"""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - named for what it is
    """Becomes an answer.

    Attributes:
        status: The HTTP status.
        error: The stable word for a program.
        info: The sentence; None where Daily gives none.
        fields: What the body has besides.
        retry_after: Whole seconds after which to ask again.
    """

    def __init__(
        self,
        status: int,
        error: str,
        info: str | None = None,
        *,
        fields: dict[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.info = info
        self.fields = fields or {}
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, object]:
        info = {} if self.info is None else {"info": self.info}
        return {"error": self.error, **info, **self.fields}


def invalid(info: str) -> Refusal:
    return Refusal(400, "invalid-request-error", info)


def not_found(name: str, **fields: object) -> Refusal:
    return Refusal(404, "not-found", f"room {name} not found", fields=fields)


def unauthorized() -> Refusal:
    return Refusal(401, "authentication-error")


def too_many(retry_after: int) -> Refusal:
    return Refusal(429, "rate-limit-error", "too many requests", retry_after=retry_after)
