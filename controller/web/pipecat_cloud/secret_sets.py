"""Pipecat Cloud's routes about secret sets: written and deleted, and listed without values."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import ConfigDict, SecretStr, StringConstraints

from controller.core.errors import InvalidRequest, SecretSetNotFound
from controller.core.secret_sets import SET_PATTERN
from controller.web.auth import KeyScope
from controller.web.models.documented import Documented
from controller.web.pipecat_cloud import answers
from controller.web.pipecat_cloud.answers import REGION
from controller.web.pipecat_cloud.organizations import OF_ORGANIZATION, is_ours
from controller.web.routes.dependencies import ServicesDep, is_json
from controller.web.routes.security import covers_all_agents, requires
from podline.contract import environment
from podline.contract.secret_sets import MOST_VALUE_CHARACTERS, VARIABLE_PATTERN
from podline.contract.text import is_unicode

router = APIRouter(
    prefix=f"{OF_ORGANIZATION}/secrets", dependencies=[Depends(is_ours)], include_in_schema=False
)
_HOST = r"[A-Za-z0-9][-A-Za-z0-9.:/_]{0,254}"
_BASE64 = r"[A-Za-z0-9+/]{1,8192}={0,2}"

Name = Annotated[str, Path(max_length=128)]


class WriteSecret(Documented):
    """One variable of a set, or the credentials of an image registry."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    isImagePullSecret: bool = False  # noqa: N815 - Pipecat Cloud's name
    secretKey: Annotated[str | None, StringConstraints(max_length=64)] = None  # noqa: N815 - likewise
    secretValue: SecretStr  # noqa: N815 - likewise
    host: Annotated[str | None, StringConstraints(max_length=255)] = None


@router.get("", dependencies=[requires(KeyScope.READ), Depends(covers_all_agents)])
async def list_sets(services: ServicesDep) -> dict[str, Any]:
    return {"sets": [answers.secret_set(each) for each in services.secret_sets.all()]}


@router.get("/{name}", dependencies=[requires(KeyScope.READ), Depends(covers_all_agents)])
async def read_set(name: Name, services: ServicesDep) -> dict[str, Any]:
    found = services.secret_sets.find(name)
    if found is None:
        raise SecretSetNotFound(name)
    return answers.secret_set_details(found)


@router.put("/{name}", dependencies=[requires(KeyScope.ADMIN), Depends(covers_all_agents), Depends(is_json)])
async def write_secret(name: Name, body: WriteSecret, services: ServicesDep) -> dict[str, Any]:
    _insist(SET_PATTERN, name, "name: write at most 63 letters, digits, `-` and `_`.")
    value = body.secretValue.get_secret_value()
    if body.isImagePullSecret:
        _insist(_HOST, body.host or "", "host: write the address of an image registry.")
        _insist(_BASE64, value, "secretValue: write the base64 of USER:PASSWORD.")
        await services.secret_sets.put_image_credentials(name, body.host or "", value)
        return {"region": REGION}
    key = body.secretKey or ""
    _insist(VARIABLE_PATTERN, key, "secretKey: write the name of a variable, of at most 64 characters.")
    if environment.is_reserved(key):
        raise InvalidRequest(f"secretKey: {key} is one of the variables that a call sets itself.")
    if not value or len(value) > MOST_VALUE_CHARACTERS or "\0" in value or not is_unicode(value):
        raise InvalidRequest(
            f"secretValue: write 1 to {MOST_VALUE_CHARACTERS} characters of Unicode, and none of them NUL."
        )
    await services.secret_sets.put(name, key, value)
    return {"region": REGION}


@router.delete("/{name}", dependencies=[requires(KeyScope.ADMIN), Depends(covers_all_agents)])
async def remove_set(name: Name, services: ServicesDep) -> dict[str, Any]:
    if not await services.secret_sets.remove(name):
        raise SecretSetNotFound(name)
    return {"deleted": name}


@router.delete("/{name}/{key}", dependencies=[requires(KeyScope.ADMIN), Depends(covers_all_agents)])
async def remove_secret(name: Name, key: Name, services: ServicesDep) -> dict[str, Any]:
    if not await services.secret_sets.remove_key(name, key):
        raise SecretSetNotFound(name, key)
    return {"deleted": key}


def _insist(pattern: str, value: str, sentence: str) -> None:
    if re.fullmatch(pattern, value) is None:
        raise InvalidRequest(sentence)
