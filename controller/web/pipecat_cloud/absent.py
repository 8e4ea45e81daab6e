"""Features of Pipecat Cloud that Podline doesn't have, each with an error that says what to do instead."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from controller.web.auth import KeyScope
from controller.web.errors import NotFound, NotSupported
from controller.web.pipecat_cloud.organizations import OF_ORGANIZATION, is_ours
from controller.web.routes.security import requires

router = APIRouter(prefix=OF_ORGANIZATION, dependencies=[Depends(is_ours)], include_in_schema=False)

_INSTEAD: Final = {
    "builds": "Podline builds no images. Build and push one, and write its name as `image` into "
    "pcc-deploy.toml.",
    "github": "Podline is not connected to GitHub. Build an image in your own CI, and deploy it.",
    "git": "Podline is not connected to GitHub. Build an image in your own CI, and deploy it.",
    "spend-limit": "Podline sends no bills. Limit what sessions cost with budgets: PODLINE_BUDGET_COST, or "
    "[budget] in podline.toml.",
    "registry-keys": "Podline has no registry. Write your own registry's credentials with `secrets "
    "image-pull-secret`.",
    "daily": "Daily's key stays with the controller (DAILY_API_KEY).",
    "regions": "There are no regions here: an agent runs where its controller does.",
    "properties": "There is nothing to set here: the operator's settings are environment variables.",
    "agent-profiles": "Profiles can't be changed. Write [resources] into pcc-deploy.toml instead.",
    "references": "Secrets of the namespace are for agents that an operator defines by a ConfigMap. Write "
    "the variables with `secrets set`.",
}


@router.api_route(
    "/{path:path}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    dependencies=[requires(KeyScope.READ)],
)
async def refuse(path: str) -> None:
    """Say what Podline has instead of this feature."""
    steps = path.split("/")
    for step in (steps[0], steps[-1], *steps):
        if step in _INSTEAD:
            raise NotSupported(_INSTEAD[step])
    raise NotFound
