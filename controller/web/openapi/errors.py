"""An example of each error that the API may return, made by the error's own code."""

from __future__ import annotations

from typing import Any, Final

from controller.core.endings import ending_for
from controller.core.errors import (
    AgentDefinedByFile,
    AgentInvalid,
    AgentNotConfigured,
    AgentNotFound,
    BotUnavailable,
    CapacityReached,
    ControllerError,
    Draining,
    Forbidden,
    InvalidRequest,
    LaunchEnded,
    ModelUnavailable,
    OfferRefused,
    OfferSuperseded,
    RateLimited,
    RoomsUnavailable,
    RuntimeUnavailable,
    SecretSetDefinedByFile,
    SecretSetNotFound,
    SessionConflict,
    SessionEnded,
    SessionNotFound,
    ShuttingDown,
    Unauthorized,
    UserLimitReached,
    VersionNotFound,
)
from controller.core.limits import Limit, LimitName
from controller.web.errors import (
    BodyTooLarge,
    ConnectionsExhausted,
    HeadersTooLarge,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    NotSupported,
    OriginNotAllowed,
    RequestTimeout,
    TooManyConnections,
    TooManyOffers,
    UnsupportedMediaType,
    UrlTooLong,
)
from controller.web.problems import document_of
from podline.contract.reasons import Reason

_SESSION: Final = "cart-7f3a"

_EXAMPLES: Final[tuple[ControllerError, ...]] = (
    AgentDefinedByFile("support", "the ConfigMap agent-support"),
    AgentInvalid("support"),
    AgentNotConfigured("GOOGLE_API_KEY is not set. Add it to .env, and start the controller again."),
    AgentNotFound("suport"),
    BodyTooLarge(64 * 1024),
    BotUnavailable(),
    CapacityReached(Limit(name=LimitName.CAPACITY, most=20, full=20, used=20), "shopping"),
    ConnectionsExhausted(),
    Draining(),
    Forbidden("The key 'web' lacks the scope 'stop'."),
    HeadersTooLarge(32 * 1024, 100),
    InternalError(),
    InvalidRequest("max_duration_seconds: a session may last 1800 seconds at most."),
    LaunchEnded(),
    MalformedRequest(),
    MethodNotAllowed(),
    ModelUnavailable("Gemini issued no token: it refused GOOGLE_API_KEY. Check the key."),
    NotFound(),
    OfferRefused("Another caller is in this call."),
    OfferSuperseded(),
    OriginNotAllowed("https://shop.example.com", has_keys=True),
    RateLimited(6),
    RequestTimeout("body", 30),
    RoomsUnavailable("Daily created no room: it did not answer in time. Try again."),
    RuntimeUnavailable("The API server did not accept the bot's Job. Try again."),
    SessionConflict(_SESSION),
    SessionEnded.by(ending_for(Reason.CALLER_LEFT)),
    SessionNotFound(_SESSION),
    ShuttingDown(),
    TooManyConnections(64),
    TooManyOffers(),
    Unauthorized("Send a key from PODLINE_KEYS_FILE as `Authorization: Bearer KEY`."),
    UnsupportedMediaType(),
    UrlTooLong(8 * 1024),
    UserLimitReached(2),
    VersionNotFound("clerk", "7-1f0c2a9b"),
    NotSupported("Podline builds no images. Build and push one, and write its name into pcc-deploy.toml."),
    SecretSetDefinedByFile("clerk-keys"),
    SecretSetNotFound("clerk-keys"),
)
BEFORE_ROUTES: Final = (
    MalformedRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    UrlTooLong,
    TooManyConnections,
    HeadersTooLarge,
    ConnectionsExhausted,
)
"""Errors that any request may meet before a route is chosen."""


def problem_examples() -> dict[str, Any]:
    """Return an example of each error, by its code."""
    return {
        each.code: {"summary": each.title, "value": document_of(each)}
        for each in sorted(_EXAMPLES, key=lambda each: each.code)
    }
