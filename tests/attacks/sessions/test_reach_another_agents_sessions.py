"""The holder of a key for one agent tries to start, see or stop another agent's sessions, by every route."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
import pytest
from fastapi.sse import EventSourceResponse
from msgspec import ValidationError
from starlette.routing import Route

from controller.core.agents import AgentDefinition
from controller.observe.requests import START_PATHS
from controller.web.app import ROUTES
from controller.web.auth import Key
from testing.callers.keys import bearer, key
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.site import Site, serve_site

HIDDEN: Final = "hidden-call"
OWN: Final = "own-call"
ROOM: Final = {"url": "https://rooms.example/hidden-room", "token": "for the hidden bot"}
TRACES: Final = (HIDDEN, "hidden-user", "hidden-room", "sales")
"""What no answer may hold. Requests for the hidden session hold its id themselves."""


def limited_to_support(one: Key) -> Key:
    return msgspec.structs.replace(one, agents=frozenset({"support"}))


SUPPORT: Final = limited_to_support(key("limited", "start", "read", "stop", "admin"))
KEYS: Final = (
    key("boss", "admin"),
    SUPPORT,
    limited_to_support(key("browser", "public_start")),
    msgspec.structs.replace(key("page-of-sales", "public_start"), agents=frozenset({"sales"})),
    key("page-of-all", "public_start"),
)
AGENTS: Final = (AgentDefinition(name="support"), AgentDefinition(name="sales"))
FILLED: Final = {"org": "podline", "key_id": "page-of-sales", "key": "A", "message_id": "1"}
"""What paths are filled with, besides agents, sessions and launches."""

CLOUD: Final = "/v1/organizations/{org}"
OF_NO_AGENT: Final = {
    "/v1/users",
    "/v1/organizations",
    "/auth/config",
    f"{CLOUD}/regions",
    f"{CLOUD}/properties",
    f"{CLOUD}/properties/schema",
    f"{CLOUD}/agent-profiles",
    f"{CLOUD}/apiKeys",
    f"{CLOUD}/apiKeys/{{key_id}}",
}
OF_ALL_AGENTS: Final = ("/metrics", "/v1/drain", f"{CLOUD}/secrets")
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/agents/{name}": {"files": {"pcc-deploy.toml": 'image = "a:1"'}},
    "/v1/agents/{name}/rollback": {"version": "1-abc"},
    f"{CLOUD}/services": {"serviceName": "sales", "image": "a:1"},
    f"{CLOUD}/secrets/{{name}}": {"secretKey": "A", "secretValue": "1"},
    "/v1/drain": {"draining": True},
}
CALLS: Final = [(method, route) for route in ROUTES for method in sorted((route.methods or set()) - {"HEAD"})]


def named(call: Any) -> str:
    return call.path if isinstance(call, Route) else str(call)


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serve_site(keys=KEYS, agents=NamedAgents(*AGENTS)) as opened:
        boss = bearer("boss")
        of_sales = {"user_id": "hidden-user", "session_id": HIDDEN, "agent": "sales", "room": ROOM}
        of_support = {"user_id": "bo", "session_id": OWN, "agent": "support"}
        for body in (of_sales, of_support):
            assert (await opened.client.post("/v1/sessions", json=body, headers=boss)).status_code == 201
        yield opened
        hidden = (await opened.client.get(f"/v1/sessions/{HIDDEN}", headers=boss)).json()
        assert hidden["phase"] == "starting", "the attacker stopped it"
        assert len(opened.runtime.launches) == len({each.session.agent for each in opened.runtime.launches})


async def ask(
    site: Site, method: str, path: str, body: dict[str, Any] | None = None, holder: str = "limited"
) -> tuple[int, str]:
    sent = None if method == "GET" else body or {}
    answer = await site.client.request(method, path, headers=bearer(holder), json=sent)
    return answer.status_code, answer.text


@pytest.mark.parametrize(("method", "route"), CALLS, ids=named)
async def test_no_route_leads_to_another_agents_session(site: Site, method: str, route: Route) -> None:
    path = route.path
    if path.startswith("/internal/") or path.endswith("/api/offer"):
        launch_id = site.runtime.launch_of(HIDDEN).session.launch_id
        there = filled(path, session_id=HIDDEN, launch_id=launch_id)
        nowhere = filled(path, session_id="nobody", launch_id="nobody")
        refused = await ask(site, method, there)
        assert refused[0] in (401, 422)
        assert refused == await ask(site, method, nowhere)
    elif "{session_id}" in path:
        hidden = await ask(site, method, filled(path, session_id=HIDDEN, agent="support"))
        unknown = await ask(site, method, filled(path, session_id="nobody", agent="support"))
        assert hidden == (unknown[0], unknown[1].replace("nobody", HIDDEN))
        assert unknown[0] == 404 or "not_found" in unknown[1]
        of_sales = await ask(site, method, filled(path, session_id=HIDDEN))
        assert of_sales == hidden or "agent_not_found" in of_sales[1]
    elif path in OF_NO_AGENT or path.startswith(OF_ALL_AGENTS):
        status, shown = await ask(site, method, filled(path, name="sales"), BODIES.get(path))
        assert status == 403 or path in OF_NO_AGENT
        assert not [trace for trace in (*TRACES, "page-of") if trace in shown]
    elif is_about_one_agent(method, path):
        await knows_no_such_agent(site, method, path)
    elif path in START_PATHS and method == "POST":
        await starts_neither_that_nor_any_unknown_agent(site, path)
    elif path in ("/livez", "/readyz"):
        assert (await ask(site, method, path))[1] == '{"status":"ok"}'
    elif path == "/health":
        assert (await ask(site, method, path))[1] == '{"status":"healthy","active_agents":1}'
    elif method == "GET":
        shown = await streamed(site, path) if is_stream(route) else (await ask(site, method, filled(path)))[1]
        assert OWN in shown or '"support"' in shown
        assert not [trace for trace in TRACES if trace in shown]
    else:
        pytest.fail(f"{method} {path}: add how it keeps another agent's sessions from this key")


def filled(path: str, **values: str) -> str:
    """A route's path with these values, and `sales` as any agent that is not among them."""
    return path.replace("{path:path}", "services/{agent}/more").format(
        **{"name": "sales", "agent": "sales", "session_id": HIDDEN, **FILLED, **values}
    )


def is_about_one_agent(method: str, path: str) -> bool:
    is_deployment = path == f"{CLOUD}/services" and method != "GET"
    return is_deployment or any(step in path for step in ("{name}", "{agent}", "{path:path}"))


async def knows_no_such_agent(site: Site, method: str, path: str) -> None:
    """What is answered about the hidden agent is what is answered about none."""
    sent = json.dumps(BODIES.get(path, {}))
    sales, nowhere = [
        await ask(site, method, filled(path, name=each, agent=each), json.loads(sent.replace("sales", each)))
        for each in ("sales", "nowhere")
    ]
    assert sales == (404, nowhere[1].replace("nowhere", "sales"))


async def starts_neither_that_nor_any_unknown_agent(site: Site, path: str) -> None:
    body: dict[str, Any] = {"user_id": "eve", "session_id": "eves"}
    if path == "/start-agent":
        # It has no field for an agent: a key for one agent starts that one.
        await ask(site, "POST", path, {**body, "room_url": "https://rooms.example/eves", "token": "t"})
        assert site.runtime.launch_of("eves").session.agent == "support"
        site.runtime.launches.pop()
        return
    if path == "/start":
        body = {"body": {}}
    tokens = ("limited", "browser") if path == "/start" else ("limited",)
    for token in tokens:
        status, sales = await ask(site, "POST", path, {**body, "agent": "sales"}, token)
        assert (status, json.loads(sales)["code"]) == (404, "agent_not_found")
        for agent in ("nowhere", "shopping", "SALES", "sales "):
            other = await ask(site, "POST", path, {**body, "agent": agent}, token)
            assert other == (404, sales.replace("sales", agent))


def is_stream(route: Route) -> bool:
    return getattr(route, "response_class", None) is EventSourceResponse


async def streamed(site: Site, path: str) -> str:
    """Read a stream while both sessions change, until it shows the end of the key's own."""
    chunks: list[str] = []
    has_more = asyncio.Event()

    requests = asyncio.Queue[dict[str, Any]]()
    requests.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Any) -> None:
        chunks.append(message.get("body", b"").decode())
        has_more.set()

    async def until(what: str) -> None:
        while what not in "".join(chunks):
            has_more.clear()
            await has_more.wait()

    headers = [(b"authorization", b"Bearer limited"), (b"host", b"127.0.0.1:7860")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 7860),
    }
    async with asyncio.timeout(15):
        reading = asyncio.create_task(site.app(scope, requests.get, send))
        await until(OWN)
        for session_id in (HIDDEN, OWN):
            report = {
                "seq": 1,
                "acked": 0,
                "events": [],
                "totals": {},
                "timeline": {"now": 1.0, "process_up": 0.5},
            }
            assert (await site.as_bot(session_id, "POST", "reports", json=report)).status_code == 200
        await site.client.delete(f"/v1/sessions/{OWN}", headers=bearer("limited"))
        await until('"phase":"ended"')
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return "".join(chunks)


async def test_the_session_s_own_token_opens_no_more_to_this_key(site: Site) -> None:
    session = site.runtime.launch_of(HIDDEN).session
    token = SIGNER.session_token(session.id, session.launch_id)
    for method, path in (("GET", ""), ("GET", "/logs"), ("GET", "/events"), ("DELETE", "")):
        status, text = await ask(site, method, f"/v1/sessions/{HIDDEN}~{token}{path}")
        assert (status, json.loads(text)["code"]) == (404, "session_not_found")
    assert await ask(site, "POST", f"/stop-agent/{HIDDEN}~{token}") == (200, '{"status":"not_found"}')


async def test_filters_and_cursors_show_nothing_of_it(site: Site) -> None:
    for query in ("agent=sales", "user_id=hidden-user", "phase=starting", "limit=1", "agent=support&limit=1"):
        _, text = await ask(site, "GET", f"/v1/sessions?{query}")
        assert not [trace for trace in TRACES if trace in text]
    page = json.loads((await ask(site, "GET", "/v1/sessions?limit=1"))[1])
    assert ([each["id"] for each in page["sessions"]], page["next_cursor"]) == ([OWN], None)


async def test_a_start_under_its_id_or_in_its_room_neither_adopts_nor_shows_it(site: Site) -> None:
    for body in (
        {"user_id": "hidden-user", "session_id": HIDDEN, "agent": "support", "room": ROOM},
        {"user_id": "eve", "agent": "support", "room": ROOM},
    ):
        status, text = await ask(site, "POST", "/v1/sessions", body)
        assert (status, json.loads(text)["code"]) == (409, "session_conflict")
        asked = json.dumps(body)
        assert not [trace for trace in TRACES if trace in text and trace not in asked]


@pytest.mark.parametrize(
    "agents", [[], ["Sales"], ["start-me"], ["sales\n"], ["sales", 7], "sales", ["a" * 41]]
)
def test_a_key_whose_agents_can_not_be_meant_is_refused(agents: Any) -> None:
    written = [{"name": "web", "sha256": "a" * 64, "scopes": ["start"], "agents": agents}]
    with pytest.raises(ValidationError):
        msgspec.json.decode(json.dumps(written), type=tuple[Key, ...])
