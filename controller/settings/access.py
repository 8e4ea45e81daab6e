"""Keys, signatures, identities, and starts that are open to everybody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, PositiveInt, SecretStr, model_validator

from controller.core.agents import DEFAULT_AGENT
from controller.settings.variables import COMMA_SEPARATED, Group, variable
from podline.contract.agents import NAME_PATTERN

_LEAST_SECRET_CHARACTERS: Final = 16


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _LEAST_SECRET_CHARACTERS:
        raise ValueError(
            f"use at least {_LEAST_SECRET_CHARACTERS} characters, "
            "such as the output of `openssl rand -hex 32`"
        )
    return secret


def _agent_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("is no agent's name: 1 to 40 of a-z, 0-9 and -, not beginning with start")
    return name


_AgentName = Annotated[str, AfterValidator(_agent_name)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_enough)]


class AccessSettings(Group):
    """Keys and identities."""

    keys_file: Path | None = variable(
        "PODLINE_KEYS_FILE",
        'A JSON list of `{"name": "web", "sha256": "<hex SHA-256 of the key>", "scopes": ["start", "read", '
        '"stop"]}`. Scopes: start, public_start, read, stop, admin. A public_start key may be used in a '
        'browser: it can only start calls at /start for anonymous users. `"agents": ["support"]` limits a '
        "key to some agents. Without the file, "
        "anybody on this machine may do everything, and nobody else may do anything.",
        example="/path/to/keys.json",
    )
    default_agent: _AgentName = variable(
        "PODLINE_DEFAULT_AGENT",
        "The agent of a start that names none, and of the page. A key that is limited to one agent starts "
        "that one.",
        default=DEFAULT_AGENT,
    )
    secret: LongSecret | None = variable(
        "PODLINE_SECRET",
        "The secret that signs bots' and callers' tokens: 16 characters or more. If not set, it is random "
        "at each start of the controller. Required with PODLINE_RUNTIME=kubernetes.",
    )
    previous_secrets: Annotated[tuple[LongSecret, ...], COMMA_SEPARATED] = variable(
        "PODLINE_PREVIOUS_SECRETS",
        "Comma-separated former values of PODLINE_SECRET whose tokens are still accepted. Keep each until "
        "the last call that started under it has ended.",
        default=(),
    )
    identity_keys_file: Path | None = variable(
        "PODLINE_IDENTITY_KEYS_FILE",
        "A JWK Set whose keys verify the JWTs in which your web app names its users at /start.",
        example="/path/to/jwks.json",
    )
    identity_issuer: str | None = variable(
        "PODLINE_IDENTITY_ISSUER", "The `iss` of these JWTs.", example="https://shop.example.com"
    )
    identity_audience: str | None = variable(
        "PODLINE_IDENTITY_AUDIENCE", "The `aud` of these JWTs.", example="podline"
    )
    public_start: bool = variable(
        "PODLINE_PUBLIC_START",
        "Open the page, /start and offers to everybody, without a key.",
        default=False,
    )
    docs: bool | None = variable(
        "PODLINE_DOCS",
        "Serve the API's reference at /docs and its description at /openapi.json, to everybody who reaches "
        "PODLINE_PORT. By default, the controller serves them only if PODLINE_KEYS_FILE is not set, which "
        "means to this machine alone. Otherwise both answer 404.",
        example="true",
    )
    public_starts_per_minute: PositiveInt = variable(
        "PODLINE_PUBLIC_STARTS_PER_MINUTE",
        "How often one client address may start sessions without a key with scope start.",
        default=10,
        unit="starts a minute",
    )
    public_key_starts_per_minute: PositiveInt = variable(
        "PODLINE_PUBLIC_KEY_STARTS_PER_MINUTE",
        "How often one public_start key may start sessions, from all addresses together.",
        default=60,
        unit="starts a minute",
    )

    @model_validator(mode="after")
    def _only_whole_rings(self) -> Self:
        if self.previous_secrets and self.secret is None:
            raise ValueError("PODLINE_PREVIOUS_SECRETS only verifies tokens: set PODLINE_SECRET to sign them")
        named = (self.identity_issuer, self.identity_audience)
        if (self.identity_keys_file is None and any(named)) or (self.identity_keys_file and not all(named)):
            raise ValueError(
                "PODLINE_IDENTITY_KEYS_FILE, PODLINE_IDENTITY_ISSUER and PODLINE_IDENTITY_AUDIENCE "
                "must be set together"
            )
        return self
