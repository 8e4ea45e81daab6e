"""The route that lists the agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from fastapi import APIRouter

from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.web.auth import KeyScope
from controller.web.models.documented import Documented
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import requires
from podline.contract.reasons import Phase

router = APIRouter(prefix="/v1", tags=["agents"])


class AgentVersionOut(Documented):
    """A version of an agent's definition."""

    id: str
    """The serial number and the first digits of the hash, as in a session's `agent_version`."""
    serial: int
    """The number of the deployment. A forced redeploy and a rollback have a number of their own."""
    hash: str
    """The SHA-256 of the definition: equal definitions have equal hashes."""
    definition: dict[str, Any]
    """The keys that the definition gives, without the patch of the Job template, which may hold secrets."""

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        return cls(
            id=version.id,
            serial=version.serial,
            hash=version.definition.hash,
            definition=_shown(version.definition),
        )


class AgentSessionsOut(Documented):
    """How many sessions an agent has right now."""

    starting: int
    """Sessions whose bot has not joined yet."""
    live: int
    """Sessions whose bot has joined."""
    stopping: int
    """Sessions whose bot was asked to end and is not confirmed gone."""


class AgentOut(Documented):
    """An agent: a bot with a name."""

    name: str
    """The agent's name, as in a start's `agent`."""
    version: AgentVersionOut | None
    """The active version; null if the agent never had a valid definition."""
    problem: str | None
    """What is wrong with the latest definition; null if that is the active one."""
    notes: list[str]
    """A sentence for each key of the active version that has no effect here."""
    sessions: AgentSessionsOut
    """How many sessions the agent has right now."""

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


class AgentList(Documented):
    """All agents, by name."""

    agents: list[AgentOut]
    """The agents that the key may know of, also those without a valid definition."""


@router.get(
    "/agents",
    summary="List the agents",
    response_description="All agents, by name.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def list_agent_definitions(services: ServicesDep, access: AccessDep, visible: SessionsDep) -> AgentList:
    """List the agents: the active version of each, what is wrong with its definition, and its sessions."""
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
