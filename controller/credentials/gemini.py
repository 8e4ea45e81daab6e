"""Ephemeral Gemini tokens, which a bot presents instead of the key: one call and one model each.

https://ai.google.dev/gemini-api/docs/ephemeral-tokens
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Any, Final

import httpx
import msgspec

from controller.core.errors import ModelUnavailable
from controller.core.session import Session
from podline.contract import environment
from podline.contract.model import GEMINI_MODEL

GOOGLE_URL: Final = "https://generativelanguage.googleapis.com"
PATIENCE_SECONDS: Final = 5.0
"""The time limit for the whole exchange, because a caller waits for it."""

_PATH: Final = "v1alpha/auth_tokens"
_MOST_ANSWER_BYTES: Final = 64 * 1024
_SPARE_USES: Final = 10
"""Sessions for connections that broke before they could be resumed: a resumed session is not counted."""
_CONNECTION_SECONDS: Final = 600
"""How long Gemini keeps a connection, so that a call may need another one."""
_LONGEST_PAUSE_SECONDS: Final = 3600


class _EphemeralToken(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(pattern=r"^auth_tokens/[A-Za-z0-9._~+/=-]{1,2000}$")]


class GeminiTokens:
    """Asks Google for a token before each launch, with the controller's own key."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: str,
        url: str,
        now: Callable[[], datetime],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._client = client
        self._patience_seconds = patience_seconds
        # Not compressed: a small compressed answer may become a large one.
        self._headers = {"x-goog-api-key": key, "Accept-Encoding": "identity"}
        self._url = f"{url.rstrip('/')}/{_PATH}"
        self._now = now

    async def issue(self, session: Session, *, lifetime_seconds: float) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(self._patience_seconds):
                answer = await self._ask(_wanted(session, self._now(), lifetime_seconds))
        except TimeoutError:
            raise ModelUnavailable(
                f"Gemini issued no token within {self._patience_seconds:g} seconds."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelUnavailable(
                f"Gemini issued no token: no connection ({type(error).__name__})."
            ) from None
        try:
            token = msgspec.json.decode(answer, type=_EphemeralToken)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ModelUnavailable("Gemini issued no token: its answer can't be read.") from None
        return {environment.GOOGLE_API_KEY: token.name}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, wanted: dict[str, Any]) -> bytes:
        request = self._client.build_request(
            "POST", self._url, json=wanted, headers=self._headers, timeout=None
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            if not response.is_success:
                raise _refused(response)
            answer = b""
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > _MOST_ANSWER_BYTES:
                    raise ModelUnavailable("Gemini issued no token: its answer is too long.")
            return answer
        finally:
            await response.aclose()


def _wanted(session: Session, now: datetime, lifetime_seconds: float) -> dict[str, Any]:
    """Return the request for a token that lasts as long as the call may, and locks only the model."""
    expires = (now + timedelta(seconds=lifetime_seconds)).isoformat()
    return {
        "uses": _SPARE_USES + ceil(session.max_duration_seconds / _CONNECTION_SECONDS),
        "expireTime": expires,
        # Google's own default of one minute would end the call with its first connection.
        "newSessionExpireTime": expires,
        "bidiGenerateContentSetup": {"model": GEMINI_MODEL},
        "fieldMask": "model",
    }


def _refused(response: httpx.Response) -> ModelUnavailable:
    """Return why there is no token. Google's own words are left out, because they may repeat the request."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ModelUnavailable(
            "Gemini issued no token: the key's quota is used up (status 429).",
            _retry_after(response),
            is_quota=True,
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ModelUnavailable(f"Gemini issued no token (status {status}). Try again later.")
    return ModelUnavailable(
        f"Gemini issued no token (status {status}); check the controller's GOOGLE_API_KEY and the model."
    )


def _retry_after(response: httpx.Response) -> int | None:
    given = response.headers.get("Retry-After", "")
    is_number = given.isascii() and given.isdigit() and len(given) <= 9
    return min(max(int(given), 1), _LONGEST_PAUSE_SECONDS) if is_number else None
