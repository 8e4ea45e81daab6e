"""From a body to an order the supervisor takes: the operator's defaults and limits."""

from __future__ import annotations

from controller.errors import InvalidRequest
from controller.orders import Order
from controller.routes.dependencies import Services
from controller.routes.models import StartSession


def order_of(body: StartSession, services: Services) -> Order:
    """Check a request against the operator's limits.

    Raises:
        InvalidRequest: it asks for longer than allowed.
    """
    longest = services.settings.max_duration_seconds
    duration = body.max_duration_seconds or longest
    if duration > longest:
        raise InvalidRequest(f"max_duration_seconds: a session may last {longest} seconds at most.")
    return Order(
        user_id=body.user_id,
        session_id=body.session_id,
        room=(body.room.url, body.room.token) if body.room else None,
        max_duration_seconds=duration,
        persona=body.persona,
        metadata=body.metadata,
    )
