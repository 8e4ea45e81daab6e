"""The routes for our page: which agents it can start, and their panels."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response

from controller.core.errors import AgentNotFound
from controller.web.models.documented import Documented
from controller.web.openapi.refusals import refusals
from controller.web.panels import as_read_by_browsers, panel_policy
from controller.web.routes.dependencies import AccessDep, ServicesDep
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import may_start

router = APIRouter(tags=["Pipecat's clients"])

_PANEL: Final = "text/html; charset=utf-8"


class StartableAgent(Documented):
    """An agent that /start can start."""

    name: str
    """The agent's name, as in a start's `agent`."""
    has_panel: bool
    """Whether the controller's page shows a panel for it, which is at `/panels/NAME`."""


class Startable(Documented):
    """What /start can start."""

    room: str
    """The kind of room that agents meet their callers in: `daily`, `livekit` or `webrtc`."""
    default: str | None
    """The agent of a start that names none; null if that one can't be started here."""
    agents: list[StartableAgent]
    """The agents that have a valid definition and support this kind of room."""


@router.get(
    "/start/agents",
    summary="List the agents that a client can start",
    response_description="The agents, and the kind of room.",
    dependencies=[may_start],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def list_startable_agents(services: ServicesDep, access: AccessDep) -> Startable:
    """List the agents that `/start` can start, and the kind of room that they meet their callers in."""
    room = services.supervisor.starts.provider
    agents = [
        StartableAgent(name=each.name, has_panel=each.panel is not None)
        for each in services.supervisor.agents.all()
        if each.version is not None and room in each.version.definition.rooms and access.includes(each.name)
    ]
    default = access.default
    has_default = any(each.name == default for each in agents)
    return Startable(room=room, default=default if has_default else None, agents=agents)


@router.get("/panels/{name}", include_in_schema=False)
async def panel(name: str, services: ServicesDep) -> Response:
    """Return an agent's panel to a frame of our page, which has no key to show."""
    agents = services.supervisor.agents.all() if services.has_page else ()
    for each in agents:
        if each.name == name and each.panel is not None:
            html = as_read_by_browsers(each.panel)
            headers = {"Content-Security-Policy": panel_policy(html), "X-DNS-Prefetch-Control": "off"}
            return Response(html, media_type=_PANEL, headers=headers)
    raise AgentNotFound(name)
