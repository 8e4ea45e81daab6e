"""The routes by which an operator has the controller start no more sessions."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from controller.core.errors import InvalidRequest, RuntimeUnavailable
from controller.web.auth import KeyScope
from controller.web.errors import UnsupportedMediaType
from controller.web.models.documented import Documented, Strict
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import ServicesDep, SupervisorDep, is_json
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import covers_all_agents, requires

router = APIRouter(prefix="/v1", tags=["sessions"])


class SetDrain(Strict):
    """Whether sessions may be started."""

    draining: bool
    """Whether sessions are refused. In a cluster the next leader keeps to it; elsewhere it is forgotten when
    the controller ends."""


class DrainState(Documented):
    """Whether sessions may be started, and how many are left."""

    draining: bool
    """Whether the controller refuses to start sessions."""
    sessions: int
    """How many sessions have not ended yet."""


@router.get(
    "/drain",
    summary="Read whether sessions are started",
    response_description="Whether the controller is draining.",
    dependencies=[requires(KeyScope.READ), Depends(covers_all_agents)],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def read_drain(supervisor: SupervisorDep) -> DrainState:
    """Return whether the controller refuses to start sessions, and how many are left."""
    return DrainState(draining=supervisor.is_draining, sessions=len(supervisor.registry.running()))


@router.put(
    "/drain",
    summary="Start no more sessions",
    response_description="Whether the controller is draining.",
    dependencies=[requires(KeyScope.ADMIN), Depends(covers_all_agents), Depends(is_json)],
    responses=refusals(*WITHOUT_THE_SCOPE, InvalidRequest, UnsupportedMediaType, RuntimeUnavailable),
)
async def set_drain(body: SetDrain, services: ServicesDep) -> DrainState:
    """Refuse to start sessions from now on, or start them again. Sessions that run go on."""
    await services.replica.drain(body.draining)
    return await read_drain(services.supervisor)
