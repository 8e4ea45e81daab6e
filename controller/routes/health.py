"""For probes: is it alive, and may it be sent requests?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from controller.routes.dependencies import SupervisorDep

router = APIRouter(tags=["probes"])


class Probe(BaseModel):
    """A probe's answer. The status code says the same."""

    status: Literal["ok", "unavailable"]


@router.get("/livez", responses={503: {"model": Probe}})
async def livez(supervisor: SupervisorDep, response: Response) -> Probe:
    """503 once the supervisor has died: only a restart helps."""
    return _probe(response, ok=supervisor.is_alive())


@router.get("/readyz", responses={503: {"model": Probe}})
async def readyz(supervisor: SupervisorDep, response: Response) -> Probe:
    """503 while no launch would be taken, or no end noticed."""
    return _probe(response, ok=supervisor.is_ready())


def _probe(response: Response, *, ok: bool) -> Probe:
    response.status_code = 200 if ok else 503
    return Probe(status="ok" if ok else "unavailable")
