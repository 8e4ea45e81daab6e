"""For probes: is it alive, and may it be sent requests?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from controller.web.routes.dependencies import SupervisorDep

router = APIRouter(tags=["probes"])


class Probe(BaseModel):
    """A probe's answer. The status code says the same; `detail` says what is wrong and what to do."""

    status: Literal["ok", "unavailable"]
    detail: str | None = None


@router.get("/livez", response_model_exclude_none=True, responses={503: {"model": Probe}})
async def livez(supervisor: SupervisorDep, response: Response) -> Probe:
    """503 once the supervisor has died: only a restart helps."""
    return _probe(response, None if supervisor.is_alive() else supervisor.not_ready_reason())


@router.get("/readyz", response_model_exclude_none=True, responses={503: {"model": Probe}})
async def readyz(supervisor: SupervisorDep, response: Response) -> Probe:
    """503 while no launch would be taken, or no end noticed."""
    return _probe(response, supervisor.not_ready_reason())


def _probe(response: Response, not_ready_reason: str | None) -> Probe:
    response.status_code = 200 if not_ready_reason is None else 503
    return Probe(status="ok" if not_ready_reason is None else "unavailable", detail=not_ready_reason)
