"""Somebody without a key, or with one for something else, wants to deploy a bot, or to stop all starts."""

from __future__ import annotations

from typing import Any, Final

import pytest
from starlette.routing import Route

from controller.core.agents import AgentDefinition
from controller.web.pipecat_cloud.routes import ROUTERS as PIPECAT_CLOUD
from controller.web.routes import agent_list, deployments, drain
from testing.callers.keys import KEYS, bearer
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.secret_sets import MemorySecretSets
from testing.fakes.controllers.site import serve_site

ROUTERS: Final = (agent_list.router, deployments.router, drain.router, *PIPECAT_CLOUD)
CALLS: Final = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, Route)
    for method in sorted((route.methods or set()) - {"HEAD"})
    if not route.path.startswith("/v1/public/") and route.path != "/auth/config"
]
"""Method and path of each request; without those that any caller may make."""

SETTINGS: Final[dict[str, dict[str, Any]]] = {"private": {}, "open to callers": {"public_start": True}}
SPELLINGS: Final = {
    "clerk": False,
    "%63lerk": False,
    "clerk%00": False,
    "clerk%2Fmore": True,
    "..%2Fclerk": True,
}
"""Of a name, and whether it makes another path."""

FILLED: Final = {"org": "podline", "key_id": "1", "key": "A", "path": "services/clerk/more"}


def scope_of(method: str, path: str) -> str | None:
    """The scope that a request should need, beside `admin`; None if only `admin` will do."""
    if path.endswith("/apiKeys"):
        return None
    if method == "GET" or path.endswith("{path:path}"):
        return "read"
    return "stop" if path.endswith("/sessions/{session_id}") else None


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_no_other_key_and_no_spelling_opens_it(kind: str, method: str, path: str) -> None:
    needed = scope_of(method, path)
    holders = [each for each in KEYS if "admin" not in each.scopes and needed not in each.scopes]
    clerk, sets = AgentDefinition(name="clerk", image="clerk:1"), MemorySecretSets()
    async with serve_site(KEYS, agents=NamedAgents(clerk), secret_sets=sets, **SETTINGS[kind]) as site:
        for name, is_another_path in SPELLINGS.items():
            filled = {**FILLED, "agent": name, "name": name, "session_id": f"{name}~{name}"}
            where = path.replace("{path:path}", "{path}").format(**filled)
            for headers in ({}, bearer("wrong"), *(bearer(each.name) for each in holders)):
                answer = await site.client.request(method, where, headers=headers, json={"draining": True})
                assert answer.status_code in ((401, 403, 404, 405) if is_another_path else (401, 403)), where
                assert "clerk:1" not in answer.text
        assert not site.app.state.services.supervisor.is_draining
    assert (sets.values, sets.registries) == ({}, {})
