"""The routes of probes: liveness and readiness."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response

from controller.web.models.documented import Documented
from controller.web.routes.dependencies import ServicesDep

router = APIRouter(tags=["probes"])


class ProbeAnswer(Documented):
    """A probe's answer."""

    status: Literal["ok", "unavailable"]
    """The same as the status code: `ok` with 200, `unavailable` with 503."""
    detail: str | None = None
    """What is wrong and what to do; absent if nothing is."""


@router.get(
    "/livez",
    summary="Check that the controller works",
    response_description="The controller works.",
    response_model_exclude_none=True,
    responses={503: {"model": ProbeAnswer, "description": "The controller has failed."}},
)
async def check_liveness(services: ServicesDep, response: Response) -> ProbeAnswer:
    """Answer 503 once the controller has failed: only a restart helps."""
    return _probe(response, None if services.replica.is_alive() else services.replica.not_ready_reason())


@router.get(
    "/readyz",
    summary="Check that sessions can be started",
    response_description="Sessions can be started.",
    response_model_exclude_none=True,
    responses={503: {"model": ProbeAnswer, "description": "No session can be started right now."}},
)
async def check_readiness(services: ServicesDep, response: Response) -> ProbeAnswer:
    """Answer 503 while the controller can't launch bots or notice that they end."""
    return _probe(response, services.replica.not_ready_reason())


def _probe(response: Response, not_ready_reason: str | None) -> ProbeAnswer:
    response.status_code = 200 if not_ready_reason is None else 503
    return ProbeAnswer(status="ok" if not_ready_reason is None else "unavailable", detail=not_ready_reason)
