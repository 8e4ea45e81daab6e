"""Examples of agents."""

from __future__ import annotations

from typing import Any, Final

_NO_SESSIONS: Final = {"starting": 0, "live": 0, "stopping": 0}


def _version(serial: int, hash_: str, deployed_at: str | None, **definition: Any) -> dict[str, Any]:
    return {
        "id": f"{serial}-{hash_[:8]}",
        "serial": serial,
        "hash": hash_,
        "deployed_at": deployed_at,
        "definition": definition,
    }


_NO_WARM_BOTS: Final = {"wanted": 0, "ready": 0, "starting": 0, "in_use": 0, "problem": None}
SHOPPING: Final[dict[str, Any]] = {
    "name": "shopping",
    "version": _version(
        1,
        "5c0f3d9a7a0e4c1f8b2d6e5a4c3b2a1908f7e6d5c4b3a291807f6e5d4c3b2a19",
        None,
        name="shopping",
        panel="products",
    ),
    "problem": None,
    "defined_by": "bot/bot.py of Podline",
    "deploying": False,
    "notes": [],
    "sessions": {"starting": 0, "live": 1, "stopping": 0},
    "warm": {"wanted": 0, "ready": 0, "starting": 0, "in_use": 1, "problem": None},
}
BROKEN: Final[dict[str, Any]] = {
    "name": "support",
    "version": None,
    "problem": "podline.toml: file: name the bot's file, such as bot.py.",
    "defined_by": "the ConfigMap agent-support",
    "deploying": False,
    "notes": [],
    "sessions": _NO_SESSIONS,
    "warm": _NO_WARM_BOTS,
}
FIRST: Final = _version(
    1,
    "1f0c2a9b6d5e4c3b2a1908f7e6d5c4b3a291807f6e5d4c3b2a190f8e7d6c5b4a",
    "2026-11-28T09:15:02Z",
    name="clerk",
    image="registry.example.com/clerk:1.0",
)
_SECOND: Final = _version(
    2,
    "8e7d6c5b4a3f2e1d0c9b8a7968574635241302f1e0d9c8b7a695847362514030",
    "2026-11-30T16:40:11Z",
    name="clerk",
    image="registry.example.com/clerk:1.1",
    max_agents=20,
)
_CLERK: Final[dict[str, Any]] = {
    "name": "clerk",
    "version": FIRST,
    "problem": None,
    "defined_by": None,
    "deploying": False,
    "notes": [],
    "sessions": _NO_SESSIONS,
    "warm": {"wanted": 2, "ready": 1, "starting": 1, "in_use": 0, "problem": None},
}
DEPLOYMENT: Final = {
    "files": {"pcc-deploy.toml": 'image = "registry.example.com/clerk:1.1"\n[scaling]\nmax_agents = 20\n'},
    "redeploy": False,
}
DEPLOYING: Final = {**_CLERK, "deploying": True}
WITH_VERSIONS: Final = {**_CLERK, "version": _SECOND, "versions": [_SECOND, FIRST]}
ROLLED_BACK: Final = {**_CLERK, "version": {**FIRST, "id": "3-1f0c2a9b", "serial": 3}}
