"""The routes that show agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from controller.core.agents import AgentStatus
from controller.core.errors import AgentNotFound
from controller.web.auth import AgentAccess, KeyScope
from controller.web.models.agents import AgentDetails, AgentList, AgentOut
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import requires
from controller.web.services import Services
from controller.web.visible_sessions import VisibleSessions

router = APIRouter(prefix="/v1", tags=["agents"])

AgentInPath = Annotated[str, Path(description="The agent's name.", examples=["clerk"])]


@router.get(
    "/agents",
    summary="List the agents",
    response_description="All agents, by name.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def list_agent_definitions(services: ServicesDep, access: AccessDep, visible: SessionsDep) -> AgentList:
    """List the agents: the active version of each, what is wrong with it, its sessions and warm bots."""
    phases = visible.phases_by_agent()
    return AgentList(
        agents=[
            AgentOut.of(each, phases.get(each.name, {}), services.supervisor.pool.status(each.name))
            for each in services.supervisor.agents.all()
            if access.includes(each.name)
        ]
    )


@router.get(
    "/agents/{name}",
    summary="Read an agent",
    response_description="The agent, with its versions.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE, AgentNotFound),
)
async def read_agent(
    name: AgentInPath, services: ServicesDep, access: AccessDep, visible: SessionsDep
) -> AgentDetails:
    """Return one agent with the versions that are kept."""
    status = find_status(name, services, access)
    phases = visible.phases_of(name)
    supervisor = services.supervisor
    return AgentDetails.with_versions(
        status, phases, supervisor.pool.status(name), supervisor.agents.versions(name)
    )


def find_status(name: str, services: Services, access: AgentAccess) -> AgentStatus:
    """Return an agent that the request may know of. Raises AgentNotFound."""
    for each in services.supervisor.agents.all():
        if each.name == name and access.includes(name):
            return each
    raise AgentNotFound(name)


def shown_agent(name: str, services: Services, access: AgentAccess, visible: VisibleSessions) -> AgentOut:
    """Return an agent as the API shows it. Raises AgentNotFound."""
    phases = visible.phases_of(name)
    warm = services.supervisor.pool.status(name)
    return AgentOut.of(find_status(name, services, access), phases, warm)
