"""The routes of probes: liveness and readiness."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from controller.web.routes.dependencies import SupervisorDep

router = APIRouter(tags=["probes"])


class ProbeAnswer(BaseModel):
    """A probe's answer. The status code says the same; `detail` says what is wrong and what to do."""

    status: Literal["ok", "unavailable"]
    detail: str | None = None


@router.get("/livez", response_model_exclude_none=True, responses={503: {"model": ProbeAnswer}})
async def livez(supervisor: SupervisorDep, response: Response) -> ProbeAnswer:
    """503 once the supervisor has failed: only a restart helps."""
    return _probe(response, None if supervisor.is_alive() else supervisor.not_ready_reason())


@router.get("/readyz", response_model_exclude_none=True, responses={503: {"model": ProbeAnswer}})
async def readyz(supervisor: SupervisorDep, response: Response) -> ProbeAnswer:
    """503 while the controller can't launch bots or notice that they end."""
    return _probe(response, supervisor.not_ready_reason())


def _probe(response: Response, not_ready_reason: str | None) -> ProbeAnswer:
    response.status_code = 200 if not_ready_reason is None else 503
    return ProbeAnswer(status="ok" if not_ready_reason is None else "unavailable", detail=not_ready_reason)
