"""Pipecat Cloud's routes about agents, which it calls services, and their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from controller.core.agents import AgentStatus
from controller.core.errors import SessionNotFound
from controller.core.session import Session
from controller.web.auth import KeyScope
from controller.web.pipecat_cloud import answers
from controller.web.pipecat_cloud.answers import REGION
from controller.web.pipecat_cloud.deploy_request import DeployService
from controller.web.pipecat_cloud.log_lines import read_lines
from controller.web.pipecat_cloud.organizations import OF_ORGANIZATION, is_ours
from controller.web.routes.agent_list import AgentInPath, find_status
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep, is_json
from controller.web.routes.deployments import insist_on_name
from controller.web.routes.security import SessionIdDep, requires, without_token
from controller.web.visible_sessions import VisibleSessions
from podline.contract.agents import DEPLOY_FILE

router = APIRouter(
    prefix=f"{OF_ORGANIZATION}/services", dependencies=[Depends(is_ours)], include_in_schema=False
)
_MOST_SESSIONS: Final = 500


async def known_agent(agent: AgentInPath, services: ServicesDep, access: AccessDep) -> AgentStatus:
    return find_status(agent, services, access)


AgentDep = Annotated[AgentStatus, Depends(known_agent)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Text = Annotated[str | None, Query(max_length=256)]


@router.get("", dependencies=[requires(KeyScope.READ)])
async def list_services(services: ServicesDep, access: AccessDep, region: Text = None) -> dict[str, Any]:
    agents = services.supervisor.agents
    visible = [each for each in agents.all() if access.includes(each.name)]
    shown = visible if region in (None, REGION) else []
    return {"services": [answers.service(each, agents.versions(each.name)) for each in shown]}


@router.post("", dependencies=[requires(KeyScope.ADMIN), Depends(is_json)])
@router.put("", dependencies=[requires(KeyScope.ADMIN), Depends(is_json)])
async def deploy_service(body: DeployService, services: ServicesDep, access: AccessDep) -> dict[str, Any]:
    insist_on_name(body.serviceName, access)
    former = services.supervisor.agents.versions(body.serviceName)
    files = {**(former[-1].files if former else {}), DEPLOY_FILE: body.deploy_file()}
    await services.agent_editor.deploy(
        body.serviceName, files, again=body.forceRedeploy, may_choose_secrets=access.agents is None
    )
    status = find_status(body.serviceName, services, access)
    return {"service": answers.service(status, services.supervisor.agents.versions(body.serviceName))}


@router.get("/{agent}", dependencies=[requires(KeyScope.READ)])
async def read_service(agent: AgentDep, services: ServicesDep, visible: SessionsDep) -> dict[str, Any]:
    versions = services.supervisor.agents.versions(agent.name)
    phases = visible.phases_of(agent.name)
    return {"body": answers.service_status(agent, versions, phases)}


@router.delete("/{agent}", dependencies=[requires(KeyScope.ADMIN)])
async def remove_service(agent: AgentDep, services: ServicesDep) -> dict[str, Any]:
    await services.agent_editor.remove(agent.name)
    return {"deleted": agent.name}


@router.get("/{agent}/deployments", dependencies=[requires(KeyScope.READ)])
async def list_deployments(agent: AgentDep, services: ServicesDep) -> dict[str, Any]:
    return answers.deployments(services.supervisor.agents.versions(agent.name))


@router.get("/{agent}/logs", dependencies=[requires(KeyScope.READ)])
async def read_logs(
    agent: AgentDep,
    request: Request,
    services: ServicesDep,
    visible: SessionsDep,
    limit: Limit = 100,
    deployment: Annotated[str | None, Query(alias="deploymentId", max_length=256)] = None,
    session: Annotated[str | None, Query(alias="sessionId", max_length=512)] = None,
) -> dict[str, Any]:
    found = _sessions_of(agent, visible)
    if deployment is not None:
        found = [each for each in found if each.agent_version == deployment]
    if session is not None:
        bare = without_token(session, request, services)
        found = [each for each in found if each.id == bare]
        if not found:
            raise SessionNotFound(bare)
    return {"logs": await read_lines(services.runtime, found, limit)}


@router.get("/{agent}/sessions", dependencies=[requires(KeyScope.READ)])
async def list_sessions(
    agent: AgentDep,
    visible: SessionsDep,
    state: Annotated[str | None, Query(alias="endState", max_length=64)] = None,
) -> dict[str, Any]:
    shown = [answers.session(each) for each in _sessions_of(agent, visible)]
    return {"sessions": [each for each in shown if state in (None, each["endState"])]}


@router.get("/{agent}/sessions/{session_id}", dependencies=[requires(KeyScope.READ)])
async def read_session(agent: AgentDep, session_id: SessionIdDep, visible: SessionsDep) -> dict[str, Any]:
    return answers.session_details(_session_of(agent, session_id, visible))


@router.delete("/{agent}/sessions/{session_id}", dependencies=[requires(KeyScope.STOP)])
async def stop_session(
    agent: AgentDep, session_id: SessionIdDep, services: ServicesDep, visible: SessionsDep
) -> dict[str, Any]:
    stopped = await services.supervisor.stop(_session_of(agent, session_id, visible).id)
    return answers.session(stopped)


def _sessions_of(agent: AgentStatus, visible: VisibleSessions) -> Sequence[Session]:
    """Return the sessions of an agent that are kept, newest first."""
    sessions, _ = visible.page({"agent": agent.name}, _MOST_SESSIONS, None)
    return sessions


def _session_of(agent: AgentStatus, session_id: str, visible: VisibleSessions) -> Session:
    session = visible.get(session_id)
    if session.agent != agent.name:
        raise SessionNotFound(session_id)
    return session
