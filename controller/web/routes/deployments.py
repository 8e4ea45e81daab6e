"""The routes that deploy agents, return to former versions, and remove agents."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Response

from controller.core.errors import (
    AgentDefinedByFile,
    AgentNotFound,
    InvalidRequest,
    RuntimeUnavailable,
    VersionNotFound,
)
from controller.web.auth import AgentAccess, KeyScope
from controller.web.errors import UnsupportedMediaType
from controller.web.models.agents import AgentOut, DeployAgent, RollBack
from controller.web.openapi.refusals import refusals
from controller.web.routes.agent_list import AgentInPath, shown_agent
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep, is_json
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import requires
from podline.contract.agents import NAME_PATTERN

router = APIRouter(prefix="/v1", tags=["agents"])
_OF_A_CHANGE: Final = (
    *WITHOUT_THE_SCOPE,
    AgentNotFound,
    AgentDefinedByFile,
    InvalidRequest,
    RuntimeUnavailable,
)


@router.put(
    "/agents/{name}",
    summary="Deploy an agent",
    status_code=202,
    response_description="The definition is stored, and its bot is being started dry.",
    dependencies=[requires(KeyScope.ADMIN), Depends(is_json)],
    responses=refusals(*_OF_A_CHANGE, UnsupportedMediaType),
)
async def deploy_agent(
    name: AgentInPath, body: DeployAgent, services: ServicesDep, access: AccessDep, visible: SessionsDep
) -> AgentOut:
    """Store a definition that becomes the active version once one of its bots has started without a call.

    Until then, and if the bot can't start, the former version takes the calls. Read the agent until
    `deploying` is false; `problem` then says why the definition was refused, if it was.
    """
    insist_on_name(name, access)
    files = {str(file): text for file, text in body.files.items()}
    await services.agent_editor.deploy(
        name, files, again=body.redeploy, may_choose_secrets=access.agents is None
    )
    return shown_agent(name, services, access, visible)


@router.post(
    "/agents/{name}/rollback",
    summary="Return to a former version",
    response_description="The former version's definition is active again, as a version of its own.",
    dependencies=[requires(KeyScope.ADMIN), Depends(is_json)],
    responses=refusals(*_OF_A_CHANGE, VersionNotFound, UnsupportedMediaType),
)
async def roll_back_agent(
    name: AgentInPath,
    services: ServicesDep,
    access: AccessDep,
    visible: SessionsDep,
    body: Annotated[RollBack | None, Body()] = None,
) -> AgentOut:
    """Make a version active that was active before. It is not started dry again."""
    insist_on_name(name, access)
    await services.agent_editor.roll_back(name, body.version if body is not None else None)
    return shown_agent(name, services, access, visible)


@router.delete(
    "/agents/{name}",
    summary="Remove an agent",
    status_code=204,
    response_class=Response,
    response_description="The agent is gone. Its calls go on.",
    dependencies=[requires(KeyScope.ADMIN)],
    responses=refusals(*_OF_A_CHANGE),
)
async def remove_agent(name: AgentInPath, services: ServicesDep, access: AccessDep) -> None:
    """Remove an agent that was deployed through the API. Its calls go on until they end."""
    insist_on_name(name, access)
    await services.agent_editor.remove(name)


def insist_on_name(name: str, access: AgentAccess) -> None:
    """Check a name before anything is stored under it.

    Raises:
        AgentNotFound: the request may not know of it.
        InvalidRequest: no agent can have it.
    """
    if not access.includes(name):
        raise AgentNotFound(name)
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise InvalidRequest(
            "name: an agent's name has at most 40 lower-case letters, digits and hyphens, and does not begin "
            "with `start`."
        )
