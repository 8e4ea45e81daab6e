"""The Secrets of a site with the sandbox: which are missing, and what is in them.

Those that exist stay as they are, because bots that run were started with them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

Values = Mapping[str, str]
Existing = Mapping[str, Values]
"""The values of each Secret that the cluster has, by its name."""

CERTIFICATE: Final = "podline-sandbox-certificate"
NAMES: Final = (
    "podline-controller",
    "podline-admin-key",
    "podline-web",
    "podline-keys",
    "podline-livekit",
    "podline-bot",
    CERTIFICATE,
)
_STORE_SECRET: Final = "PODLINE_STORE_SECRET"  # noqa: S105 - a variable's name
_TLS: Final = ("tls.crt", "tls.key")


class MissingSecrets(NamedTuple):
    """What the cluster lacks.

    Attributes:
        create: whole Secrets, by their names.
        add: values that existing Secrets get beside what they have.
    """

    create: dict[str, Values]
    add: dict[str, Values]


def find_missing(
    existing: Existing, random_hex: Callable[[int], str], make_certificate: Callable[[], tuple[str, str]]
) -> MissingSecrets:
    """Decide what to create.

    Args:
        existing: what the cluster has of `NAMES`.
        random_hex: returns a secret of so many bytes in hexadecimal.
        make_certificate: returns the sandbox's certificate and its key, in PEM.
    """
    makers: dict[str, Callable[[], Values]] = {
        "podline-controller": lambda: {"PODLINE_SECRET": random_hex(32), _STORE_SECRET: random_hex(32)},
        "podline-admin-key": lambda: {"key": random_hex(24)},
        "podline-web": lambda: {"PODLINE_API_KEY": random_hex(24), "SESSION_SECRET": random_hex(32)},
        "podline-livekit": lambda: {
            "LIVEKIT_API_KEY": "podline",
            "LIVEKIT_API_SECRET": random_hex(32),
            "LIVEKIT_PUBLIC_URL": "ws://localhost:30780",
        },
        "podline-bot": lambda: {
            "GOOGLE_API_KEY": f"sandbox-{random_hex(24)}",
            "CONVEX_URL": "http://podline-sandbox:8080",
            "GOOGLE_GEMINI_BASE_URL": "https://podline-sandbox:8443",
            "SSL_CERT_FILE": "/etc/podline/authorities/ca.crt",
        },
        CERTIFICATE: lambda: dict(zip(_TLS, make_certificate(), strict=True)),
    }
    create = {name: make() for name, make in makers.items() if name not in existing}
    all_of_them = {**existing, **create}
    if "podline-keys" not in existing:
        create["podline-keys"] = {
            "keys.json": _list_keys(
                all_of_them["podline-admin-key"]["key"], all_of_them["podline-web"]["PODLINE_API_KEY"]
            )
        }
    add: dict[str, Values] = {}
    # A Secret of a site from before there were tokens for the store gets what signs them.
    if not all_of_them["podline-controller"].get(_STORE_SECRET):
        add["podline-controller"] = {_STORE_SECRET: random_hex(32)}
    return MissingSecrets(create, add)


def _list_keys(admin_key: str, web_key: str) -> str:
    """Return the controller's list of callers: it knows their keys by digests."""
    return json.dumps(
        [
            {"name": "admin", "sha256": _digest(admin_key), "scopes": ["admin"]},
            {"name": "web", "sha256": _digest(web_key), "scopes": ["start", "read", "stop"]},
        ]
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def secret_manifest(name: str, values: Values) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls" if name == CERTIFICATE else "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def read_values(data: Mapping[str, str] | None) -> dict[str, str]:
    """Return a Secret's values from its `data`."""
    return {key: base64.b64decode(value).decode() for key, value in (data or {}).items()}
