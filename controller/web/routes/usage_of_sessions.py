"""The route of other controllers: what running sessions have used, for a standby's copy."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from controller.core.errors import Unauthorized
from controller.core.session import Session
from controller.replicas.headers import OF_ITS_OWN
from controller.replicas.usage_copy import USAGE_PATH, UsageLines
from controller.web.middleware.from_replicas import FROM_REPLICA
from controller.web.routes.dependencies import ServicesDep

router = APIRouter(include_in_schema=False)


@router.get(USAGE_PATH)
async def stream_usage(request: Request, services: ServicesDep) -> StreamingResponse:
    """Stream JSON lines: what each running session has used so far, then each change."""
    # Not one that a controller has passed on: anyone may have made that.
    if request.scope.get(FROM_REPLICA) != OF_ITS_OWN:
        raise Unauthorized("Only other controllers are told this.")
    states = services.supervisor.registry.follow(None, None)
    return StreamingResponse(_lines(states), media_type="application/jsonl")


async def _lines(states: AsyncGenerator[tuple[str, Session]]) -> AsyncIterator[bytes]:
    lines = UsageLines()
    async with aclosing(states):
        async for _, session in states:
            if (line := lines.of(session)) is not None:
                yield line
