"""How OpenAI refuses a request: a status, and a document that names what is wrong.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from typing import Any, Final

_LONGEST_KEY_SHOWN: Final = 8


class OpenAIRefusedError(Exception):
    """The request is refused.

    Attributes:
        status: The status of the answer.
        body: The document in it.
        headers: What else the client needs to know.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }
        self.headers = headers or {}


def invalid(message: str, param: str | None = None, code: str | None = None) -> OpenAIRefusedError:
    """Return the refusal of a request with a mistake in it."""
    return OpenAIRefusedError(400, message, param=param, code=code)


def too_large(most: int) -> OpenAIRefusedError:
    """Return the refusal of a body of more than so many bytes."""
    return OpenAIRefusedError(413, f"Maximum content size limit ({most}) exceeded.")


def no_key() -> OpenAIRefusedError:
    """Return the refusal of a request that shows no key."""
    return OpenAIRefusedError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    )


def wrong_key(given: str) -> OpenAIRefusedError:
    """Return the refusal of a request that shows another key, of which only the beginning is repeated."""
    shown = f"{given[:_LONGEST_KEY_SHOWN]}{'*' * _LONGEST_KEY_SHOWN}"
    return OpenAIRefusedError(
        401,
        f"Incorrect API key provided: {shown}. "
        "You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def no_model(name: str) -> OpenAIRefusedError:
    """Return the refusal of a request for a model that is not served there."""
    return OpenAIRefusedError(
        404,
        f"The model `{name[:100]}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def rate_limited(retry_after_seconds: float) -> OpenAIRefusedError:
    """Return the refusal of a request that is one too many for now."""
    return OpenAIRefusedError(
        429,
        f"Rate limit reached for requests. Limit: 3 / min. Please try again in {retry_after_seconds:g}s.",
        kind="requests",
        code="rate_limit_exceeded",
        headers={
            "Retry-After": str(max(1, round(retry_after_seconds))),
            "Retry-After-Ms": str(round(retry_after_seconds * 1000)),
            "X-RateLimit-Limit-Requests": "3",
            "X-RateLimit-Remaining-Requests": "0",
            "X-RateLimit-Reset-Requests": f"{retry_after_seconds:g}s",
        },
    )


def out_of_quota() -> OpenAIRefusedError:
    """Return the refusal of a request that nobody pays for."""
    return OpenAIRefusedError(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        kind="insufficient_quota",
        code="insufficient_quota",
    )


def failed(status: int, message: str | None = None) -> OpenAIRefusedError:
    """Return the answer of a server that is at fault itself."""
    sentences = {
        500: "The server had an error while processing your request. Sorry about that!",
        503: "The engine is currently overloaded, please try again later.",
    }
    known = sentences.get(status, "The server could not serve your request.")
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return OpenAIRefusedError(status, known if message is None else message, kind=kind)
