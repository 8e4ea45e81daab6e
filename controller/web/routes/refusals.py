"""Refusals that several routes share."""

from __future__ import annotations

from typing import Final

from controller.core.errors import (
    AgentInvalid,
    AgentNotConfigured,
    AgentNotFound,
    CapacityReached,
    Draining,
    Forbidden,
    InvalidRequest,
    ModelUnavailable,
    RoomsUnavailable,
    RuntimeUnavailable,
    SessionNotFound,
    ShuttingDown,
    Unauthorized,
    UserLimitReached,
)
from controller.web.errors import OriginNotAllowed, UnsupportedMediaType

WITHOUT_THE_SCOPE: Final = (Unauthorized, Forbidden, OriginNotAllowed)

OF_ONE_SESSION: Final = (*WITHOUT_THE_SCOPE, SessionNotFound)

OF_A_START: Final = (
    *WITHOUT_THE_SCOPE,
    UnsupportedMediaType,
    InvalidRequest,
    AgentNotFound,
    AgentInvalid,
    AgentNotConfigured,
    CapacityReached,
    UserLimitReached,
    RuntimeUnavailable,
    ModelUnavailable,
    RoomsUnavailable,
    Draining,
    ShuttingDown,
)
