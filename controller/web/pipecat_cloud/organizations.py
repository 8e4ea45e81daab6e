"""Pipecat Cloud's routes about accounts: one organization, one region, and the public keys by name."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request

from controller.agents.keys import PROFILES
from controller.web.auth import KeyScope
from controller.web.errors import NotFound, NotSupported
from controller.web.pipecat_cloud.answers import ORGANIZATION, REGION
from controller.web.routes.dependencies import AccessDep, ServicesDep
from controller.web.routes.security import requires

_VERBOSE_NAME: Final = "Podline"
_A_HASH: Final = "(only its hash is kept)"


async def is_ours(org: Annotated[str, Path(max_length=128)]) -> None:
    """Check that the organization is the one there is."""
    if org != ORGANIZATION:
        raise NotFound


OF_ORGANIZATION: Final = "/v1/organizations/{org}"
router = APIRouter(include_in_schema=False)
inner = APIRouter(prefix=OF_ORGANIZATION, dependencies=[Depends(is_ours)], include_in_schema=False)


@router.get("/v1/users", dependencies=[requires(KeyScope.READ)])
async def read_user(request: Request, services: ServicesDep) -> dict[str, Any]:
    key = services.gate.find(request.headers)
    return {"user": {"userId": key.name if key is not None else "anybody on this machine", "emails": []}}


@router.get("/v1/organizations", dependencies=[requires(KeyScope.READ)])
async def list_organizations() -> dict[str, Any]:
    return {"organizations": [{"name": ORGANIZATION, "verboseName": _VERBOSE_NAME}]}


@router.get("/auth/config")
async def read_login() -> None:
    raise NotSupported(
        "Podline has no login. Set PIPECAT_TOKEN to a key with the scopes that you need, and "
        "PIPECAT_API_HOST to this address."
    )


@inner.get("/regions", dependencies=[requires(KeyScope.READ)])
async def list_regions() -> dict[str, Any]:
    return {"regions": [{"code": REGION, "display_name": "Where this controller runs its bots"}]}


@inner.get("/properties", dependencies=[requires(KeyScope.READ)])
async def read_properties() -> dict[str, Any]:
    return {"properties": {"defaultRegion": REGION}}


@inner.get("/properties/schema", dependencies=[requires(KeyScope.READ)])
async def describe_properties() -> dict[str, Any]:
    described = {
        "type": "string",
        "description": "The only region.",
        "currentValue": REGION,
        "default": REGION,
        "availableValues": [REGION],
    }
    return {"properties": {"defaultRegion": described}}


@inner.get("/agent-profiles", dependencies=[requires(KeyScope.READ)])
async def list_profiles() -> dict[str, Any]:
    return {
        "agentProfiles": [
            {
                "api_name": name,
                "display_name": name,
                "resources": {"cpu": cpu, "memory": memory},
                "enabled": True,
                "custom": False,
            }
            for name, (cpu, memory) in PROFILES.items()
        ]
    }


@inner.get("/apiKeys", dependencies=[requires(KeyScope.ADMIN)])
async def list_keys(services: ServicesDep, access: AccessDep) -> dict[str, Any]:
    """List the keys that may live in browsers. Podline keeps no key, only its hash."""
    keys = (key for key in services.gate.keys if KeyScope.PUBLIC_START in key.scopes)
    public = [key for key in keys if access.covers(key.agents)]
    return {
        "public": [
            {
                "id": key.name,
                "key": _A_HASH,
                "metadata": {"name": key.name},
                "createdAt": "",
                "revoked": False,
            }
            for key in public
        ]
    }


@inner.post("/apiKeys", dependencies=[requires(KeyScope.ADMIN)])
@inner.delete("/apiKeys/{key_id}", dependencies=[requires(KeyScope.ADMIN)])
async def change_keys() -> None:
    raise NotSupported(
        "The operator writes keys into the file that PODLINE_KEYS_FILE names: docs/keys.md says how. A "
        "public key has the scope `public_start`."
    )
