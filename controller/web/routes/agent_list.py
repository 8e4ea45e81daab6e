"""The route that lists the agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel

from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.web.auth import KeyScope
from controller.web.problems import refusals
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import requires
from podline.contract.reasons import Phase

router = APIRouter(prefix="/v1", tags=["agents"])


class AgentVersionOut(BaseModel):
    """A version of an agent's definition.

    `definition` has the keys that are given, without the patch of the Job template, which may hold secrets.
    """

    id: str
    serial: int
    hash: str
    definition: dict[str, Any]

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        return cls(
            id=version.id,
            serial=version.serial,
            hash=version.definition.hash,
            definition=_shown(version.definition),
        )


class AgentSessionsOut(BaseModel):
    """How many sessions an agent has right now."""

    starting: int
    live: int
    stopping: int


class AgentOut(BaseModel):
    """An agent. `version` is the active one; null if it never had a valid definition.

    `problem` is what is wrong with its latest definition, and null if that is the active one. `notes` are
    keys that have no effect here.
    """

    name: str
    version: AgentVersionOut | None
    problem: str | None
    notes: list[str]
    sessions: AgentSessionsOut

    @classmethod
    def of(cls, status: AgentStatus, phases: Mapping[Phase, int]) -> Self:
        return cls(
            name=status.name,
            version=AgentVersionOut.of(status.version) if status.version is not None else None,
            problem=status.problem,
            notes=list(status.notes),
            sessions=AgentSessionsOut(
                starting=phases.get(Phase.STARTING, 0),
                live=phases.get(Phase.LIVE, 0),
                stopping=phases.get(Phase.STOPPING, 0),
            ),
        )


class AgentList(BaseModel):
    """All agents, by name."""

    agents: list[AgentOut]


@router.get("/agents", dependencies=[requires(KeyScope.READ)], responses=refusals(*WITHOUT_THE_SCOPE))
async def list_agent_definitions(services: ServicesDep, access: AccessDep, visible: SessionsDep) -> AgentList:
    """List the agents that a session may be started with."""
    phases = visible.phases_by_agent()
    return AgentList(
        agents=[
            AgentOut.of(each, phases.get(each.name, {}))
            for each in services.supervisor.agents.all()
            if access.includes(each.name)
        ]
    )


def _shown(definition: AgentDefinition) -> dict[str, Any]:
    return {key: value for key, value in definition.given().items() if key != "job"}
